"""ListMetrics."""

from sagebrush.kernel.grammar.call import Call, Result
from sagebrush.kernel.signals.metrics import DAY, HOUR
from sagebrush.kernel.signals.pages import seal, unseal
from sagebrush.services.cloudwatch.service import invalid, service

_PAGE = 500


@service.operation
def list_metrics(call: Call) -> Result:
    """List the metrics that reported in the last two weeks, or (RecentlyActive) three hours."""
    asked = call.params
    if asked.get("OwningAccount", call.account) != call.account:
        return {"Metrics": []}
    after = ("", "", "")
    if token := asked.get("NextToken"):
        try:
            after = tuple(unseal(call.operation.name, asked, token))
        except ValueError:
            raise invalid("The parameter NextToken is invalid.") from None
    found = call.world.metrics.list(
        call.account,
        call.region,
        namespace=asked.get("Namespace", ""),
        name=asked.get("MetricName", ""),
        dimensions=[(wanted["Name"], wanted.get("Value")) for wanted in asked.get("Dimensions", ())],
        active=3 * HOUR if "RecentlyActive" in asked else 14 * DAY,
        after=after,
        limit=_PAGE + 1,
    )
    shown = found[:_PAGE]
    return {
        "Metrics": [
            {
                "Namespace": metric.namespace,
                "MetricName": metric.name,
                "Dimensions": [{"Name": name, "Value": value} for name, value in metric.dimensions.items()],
            }
            for metric, _ in shown
        ],
        "OwningAccounts": [call.account] * len(shown) if asked.get("IncludeLinkedAccounts") else None,
        "NextToken": seal(call.operation.name, asked, shown[-1][1]) if len(found) > _PAGE else None,
    }
