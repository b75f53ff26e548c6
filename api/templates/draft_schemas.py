"""A template as a person writes it: Meta's own form, member by member."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from api.dto import Answer, AttributeValue, MetaId, Request, one_line, storable
from api.templates.schemas import TemplateCategory

_Words = Annotated[str, Field(max_length=2048), AfterValidator(storable)]
_Short = Annotated[str, Field(max_length=2048), AfterValidator(storable), AfterValidator(one_line)]
_Key = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.]{1,80}$")]


class NamedExample(Request):
    """What a named variable may hold, for Meta's reviewers."""

    param_name: Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_]{0,63}$")]
    example: _Short


class HeaderExample(Request):
    """What a header may hold, for Meta's reviewers."""

    header_text: list[_Short] | None = Field(default=None, max_length=1)
    header_text_named_params: list[NamedExample] | None = Field(default=None, max_length=1)
    header_handle: list[_Short] | None = Field(
        default=None, max_length=1, description="The handle of a file uploaded at Meta."
    )


class BodyExample(Request):
    """What the variables of a body may hold, for Meta's reviewers."""

    body_text: list[list[_Short]] | None = Field(default=None, max_length=1)
    body_text_named_params: list[NamedExample] | None = Field(default=None, max_length=64)


class TemplateHeader(Request):
    """What stands above the text."""

    type: Literal["HEADER"]
    format: Literal["TEXT", "IMAGE", "VIDEO", "DOCUMENT", "LOCATION"] = "TEXT"
    text: _Short | None = None
    example: HeaderExample | None = None


class TemplateBody(Request):
    """The text. Meta writes that of authentication templates itself."""

    type: Literal["BODY"]
    text: _Words | None = None
    add_security_recommendation: bool | None = None
    example: BodyExample | None = None


class TemplateFooter(Request):
    """What stands below the text."""

    type: Literal["FOOTER"]
    text: _Short | None = None
    code_expiration_minutes: int | None = Field(default=None, ge=1, le=90)


class TemplateButton(Request):
    """One button."""

    type: Literal["QUICK_REPLY", "URL", "PHONE_NUMBER", "COPY_CODE", "OTP"]
    text: _Short | None = None
    url: _Short | None = None
    phone_number: Annotated[str, Field(max_length=32)] | None = None
    otp_type: Literal["COPY_CODE"] | None = None
    example: list[_Short] | None = Field(default=None, max_length=1)


class TemplateButtons(Request):
    """What a person can press."""

    type: Literal["BUTTONS"]
    buttons: list[TemplateButton] = Field(min_length=1, max_length=10)


TemplateComponent = Annotated[
    TemplateHeader | TemplateBody | TemplateFooter | TemplateButtons, Field(discriminator="type")
]
_Components = Annotated[list[TemplateComponent], Field(min_length=1, max_length=4)]


class CreateTemplate(Request):
    """A new template, kept here until it is submitted."""

    waba_id: MetaId
    name: Annotated[str, Field(pattern=r"^[a-z0-9_]{1,512}$")]
    language: Annotated[str, Field(pattern=r"^[a-z]{2,3}(_[A-Z]{2})?$")]
    category: TemplateCategory
    components: _Components
    message_send_ttl_seconds: int | None = Field(default=None, ge=-1, le=2_592_000)


class EditTemplate(Request):
    """Other components, another category; what is absent stays."""

    category: TemplateCategory | None = None
    components: _Components | None = None
    message_send_ttl_seconds: int | None = Field(default=None, ge=-1, le=2_592_000)
    discard_draft: bool = Field(
        default=False, description="Forget what Meta doesn't have; nothing else may be given."
    )

    @model_validator(mode="after")
    def _is_one_wish(self) -> Self:
        changes = self.model_fields_set - {"discard_draft"}
        if self.discard_draft and changes:
            raise PydanticCustomError("two_wishes", "discard_draft goes with nothing else")
        return self


class PreviewTemplate(Request):
    """Values to put into a template."""

    parameters: Annotated[dict[_Key, AttributeValue], Field(max_length=64)] = Field(
        default_factory=dict,
        description="By the keys of the template's `parameters`.",
        examples=[{"1": "Ana"}],
    )
    draft: bool = Field(
        default=False, description="Of what was written and Meta doesn't have yet, if there is any."
    )


class ButtonPreview(Answer):
    """A button as a person would see it."""

    type: str
    text: str
    value: str | None = Field(description="Its link, code or number.")


class TemplatePreview(Answer):
    """A template as a person would read it; a variable without a value stays as it is written."""

    language: str
    of_draft: bool
    header_format: str | None
    header: str | None = Field(description="Its text, or what its file is given by.")
    body: str
    footer: str | None
    buttons: list[ButtonPreview]
    missing: list[str] = Field(description="Parameters without a value; empty: it can be sent.")
    unknown: list[str] = Field(description="Values that the template has no place for.")
    fault: str | None = Field(description="The first thing Meta would refuse of these values.")
