"""SecondaryStatus: what a training job is doing, and what it did from when to when."""

from dataclasses import replace

from sagebrush.kernel.state.record import Record

_MESSAGES = {
    "Starting": "Preparing the instances for training",
    "Downloading": "Downloading input data",
    "Training": "Training image download completed. Training in progress.",
    "Stopping": "Stopping the training job",
    "Uploading": "Uploading generated training model",
    "Completed": "Training job completed",
    "Failed": "Training job failed",
    "Stopped": "Training job stopped",
    "MaxRuntimeExceeded": "Training job runtime exceeded MaxRuntimeInSeconds provided",
    "MaxWaitTimeExceeded": "Training job wait time exceeded MaxWaitTimeInSeconds provided",
}
_LAST = {"Completed", "Failed", "Stopped", "MaxRuntimeExceeded", "MaxWaitTimeExceeded"}


def entered(job: Record, status: str, now: float) -> Record:
    """Return the job in a secondary status from `now` on; the one before ends then. Again is fine.

    `now` in epoch seconds. The last status of all ends when it begins.
    """
    past = list(job.get("SecondaryStatusTransitions", ()))
    if past and past[-1]["Status"] == status:
        return job
    if past:
        now = max(now, past[-1]["StartTime"])
        past[-1] = {**past[-1], "EndTime": now}
    entry = {"Status": status, "StartTime": now, "StatusMessage": _MESSAGES[status]}
    if status in _LAST:
        entry["EndTime"] = now
    return replace(job.having(SecondaryStatus=status, SecondaryStatusTransitions=[*past, entry]), modified=now)


def telling(job: Record, message: str, now: float) -> Record:
    """Return the job with another message about what it is doing; the SDKs print each new one."""
    *past, last = job["SecondaryStatusTransitions"]
    if not message or last["StatusMessage"] == message:
        return job
    told = {**last, "StatusMessage": message}
    return replace(job.having(SecondaryStatusTransitions=[*past, told]), modified=now)
