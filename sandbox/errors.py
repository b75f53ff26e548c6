"""Meta's error answers: code, title and HTTP status of everything the sandbox refuses with."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorSpec:
    """One code of Meta's error page; the HTTP status is the best known one (Meta lists none)."""

    code: int
    title: str
    http_status: int
    details: str


class GraphError(Exception):
    """A refusal in Meta's own words; it is an answer of the protocol, not a fault of ours."""

    def __init__(
        self,
        code: int,
        details: str | None = None,
        *,
        title: str | None = None,
        subcode: int | None = None,
        http_status: int | None = None,
        waba_id: str | None = None,
        regain_minutes: int = 0,
    ) -> None:
        spec = error_spec(code)
        self.code = code
        self.title = title or spec.title
        self.details = details if details is not None else spec.details
        self.subcode = subcode
        self.http_status = http_status or spec.http_status
        self.waba_id = waba_id
        self.regain_minutes = regain_minutes
        super().__init__(f"(#{code}) {self.title}")

    def envelope(self, trace_id: str) -> dict[str, object]:
        """The JSON body of the answer, with `fbtrace_id`."""
        error: dict[str, object] = {
            "message": f"(#{self.code}) {self.title}",
            "type": "GraphMethodException" if self.subcode == 33 else "OAuthException",
            "code": self.code,
        }
        if self.details:
            error["error_data"] = {"messaging_product": "whatsapp", "details": self.details}
        if self.subcode is not None:
            error["error_subcode"] = self.subcode
        error["fbtrace_id"] = trace_id
        return {"error": error}


def error_spec(code: int) -> ErrorSpec:
    """The entry of a code; unknown codes get a plain one, so that any fault can be configured."""
    known = _SPECS.get(code)
    if known is not None:
        return known
    return ErrorSpec(code=code, title="An error occurred", http_status=400, details="")


_TABLE: tuple[tuple[int, int, str, str], ...] = (
    (1, 500, "API Unknown", "Possibly a temporary issue due to downtime."),
    (2, 503, "API Service", "Temporary due to downtime or overload."),
    (4, 429, "Application request limit reached", "The app reached its call limit."),
    (10, 403, "Permission Denied", "The permission is not granted or has been removed."),
    (33, 400, "Parameter value is not valid", "The business phone number has been deleted."),
    (100, 400, "Invalid parameter", ""),
    (104, 401, "An access token is required to request this resource.", ""),
    (190, 401, "Error validating access token", "The access token is invalid or has expired."),
    (200, 403, "Permissions error", "The token has no access to this asset."),
    (368, 403, "Temporarily blocked for policies violations", "The account is restricted."),
    (2200, 400, "Callback verification failed", "The callback did not return the challenge."),
    (80007, 429, "Rate limit issues", "The WhatsApp Business Account reached its call limit."),
    (130403, 403, "Blocked user", "The business has blocked this user."),
    (130429, 429, "Rate limit hit", "Message throughput of this number has been reached."),
    (130472, 400, "User's number is part of an experiment", "The message was not sent."),
    (130497, 403, "Business account is restricted from messaging users in this country.", ""),
    (131000, 500, "Something went wrong", "The message failed for an unknown reason."),
    (131005, 403, "Access denied", "Permission is not granted or has been removed."),
    (131008, 400, "Required parameter is missing", ""),
    (131009, 400, "Parameter value is not valid", ""),
    (131016, 503, "Service unavailable", "A service is temporarily unavailable."),
    (131021, 400, "Recipient cannot be sender", "Sender and recipient are the same number."),
    (131026, 400, "Message undeliverable", "The recipient can't receive this message."),
    (131030, 400, "Recipient phone number not in allowed list", "Add it to the list first."),
    (131031, 403, "Business Account locked", "The account has been locked."),
    (131037, 403, "Display name approval needed", "The number needs an approved display name."),
    (131042, 400, "Business eligibility payment issue", "There is a payment method problem."),
    (131045, 500, "Incorrect certificate", "The number's registration failed."),
    (131047, 400, "Re-engagement message", "More than 24 hours since the user's last message."),
    (131048, 429, "Spam rate limit hit", "The number is limited because of its quality."),
    (
        131049,
        400,
        "This message was not delivered to maintain healthy ecosystem engagement.",
        "Meta chose not to deliver this marketing message.",
    ),
    (131050, 400, "User has stopped marketing messages from this business", "Opted out."),
    (131051, 400, "Unsupported message type", "The message type is not supported."),
    (131053, 400, "Media upload error", "The media could not be uploaded."),
    (131055, 400, "Method not allowed", "Only marketing templates go this way."),
    (131056, 400, "(Business Account, Consumer Account) pair rate limit hit", "Too many messages."),
    (131057, 503, "Account in maintenance mode", "The number is being upgraded."),
    (132000, 400, "Number of parameters does not match the expected number of params", ""),
    (132001, 400, "Template name does not exist in the translation", ""),
    (132005, 400, "Translated text too long", "The text is too long after substitution."),
    (132007, 400, "Template content policy violated", "The content breaks a policy."),
    (132012, 400, "Parameter format does not match format in the created template", ""),
    (132015, 400, "Template is paused", "The template is paused because of its quality."),
    (132016, 400, "Template is disabled", "The template was paused too often."),
    (132018, 400, "Template parameter validation failed", ""),
    (133010, 400, "Phone number not registered", "Register the number first."),
    (135000, 400, "Generic user error", "The parameters are not usable."),
    (132068, 400, "Flow is blocked", ""),
    (132069, 400, "Flow is throttled", ""),
    (131062, 400, "Recipient identifier not allowed", "This message needs a phone number."),
    (131063, 400, "Marketing templates disabled on Cloud API", "Use the MM API."),
    (131064, 400, "Capped for misclassified templates", "Wait out the enforcement."),
    (133005, 400, "Two-step verification PIN mismatch", "The PIN is wrong."),
    (133016, 400, "Account register deregister rate limit exceeded", "Wait 72 hours."),
    (2388019, 400, "Message template limit exceeded", "The account has too many templates."),
    (2388039, 400, "Message template status is locked", ""),
    (2388023, 400, "Message template language is being deleted", ""),
    (2388024, 400, "Content in this language already exists", ""),
)
_SPECS = {
    code: ErrorSpec(code=code, http_status=status, title=title, details=details)
    for code, status, title, details in _TABLE
}


def object_missing(object_id: str, method: str) -> GraphError:
    """The answer to an id that doesn't exist or isn't the token's: code 100, subcode 33."""
    return GraphError(
        100,
        "",
        subcode=33,
        title=(
            f"Unsupported {method.lower()} request. Object with ID '{object_id}' does not exist, "
            "cannot be loaded due to missing permissions, or does not support this operation"
        ),
    )
