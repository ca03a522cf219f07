"""Why a container fails: each error's text is what the failure file says, in the words of AWS's own containers."""

from collections.abc import Sequence


class ClientError(Exception):
    """The user's input is at fault and the message says what to mend."""

    def __str__(self) -> str:
        return f"ClientError: {super().__str__()}"


class AlgorithmError(Exception):
    """The algorithm itself failed on input that looked right."""


class CommandError(Exception):
    """A command of the user's, or one run for it, ended with a code other than 0.

    The text is that of AWS's training toolkit: the class's name, ExitCode, ErrorMessage, Command.
    """

    def __init__(self, command: Sequence[str], code: int, message: str) -> None:
        super().__init__(command, code, message)
        self.command, self.code, self.message = command, code, message

    def __str__(self) -> str:
        killed = '\nExtraInfo "OutOfMemory: Process killed by SIGKILL (signal 9)"' if self.code == 137 else ""
        head = f'{type(self).__name__}:\nExitCode {self.code}\nErrorMessage "{self.message}"'
        return f'{head}{killed}\nCommand "{" ".join(self.command)}"'


class ExecuteUserScriptError(CommandError):
    """The user's script failed."""


class InstallRequirementsError(CommandError):
    """`pip install -r requirements.txt` failed."""


class InstallModuleError(CommandError):
    """`pip install .` of the user's own package failed."""


class BadInputError(Exception):
    """A request whose body is not what its content type says: the client's fault."""


class UnsupportedFormatError(Exception):
    """A content type that nothing here can read or write."""

    def __init__(self, media_type: str) -> None:
        super().__init__(
            f"Content type {media_type} is not supported by this framework.\n\n"
            "Please implement input_fn to to deserialize the request data or an output_fn to\n"
            "serialize the response. For more information, see the SageMaker Python SDK README."
        )
