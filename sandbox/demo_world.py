"""The world that `carteiro sandbox` serves when nobody brings a configuration."""

import hashlib


def demo_world(seed: int) -> dict[str, object]:
    """A configuration dict; the same seed always yields the same ids, secrets and token."""
    return {
        "seed": seed,
        "app_secret": _word(seed, "app-secret", 32),
        "verify_token": f"verify-{_word(seed, 'verify-token', 16)}",
        "tokens": [{"token": f"EAA{_word(seed, 'token', 48)}"}],
        "wabas": [
            {
                "id": _digits(seed, "waba", 15),
                "name": "Sandbox Store",
                "timezone": "America/Sao_Paulo",
                "numbers": [
                    {
                        "id": _digits(seed, "number", 15),
                        "display_phone_number": "+55 11 95550-0101",
                        "verified_name": "Sandbox Store",
                    }
                ],
                "templates": demo_templates(),
            }
        ],
    }


def demo_templates() -> list[dict[str, object]]:
    """One template without parameters, one utility with three, one marketing with named ones."""
    return [
        {
            "name": "hello_world",
            "language": "en_US",
            "category": "UTILITY",
            "components": [
                {"type": "HEADER", "format": "TEXT", "text": "Hello World"},
                {"type": "BODY", "text": "Welcome. This is the test message of the sandbox."},
                {"type": "FOOTER", "text": "Carteiro sandbox"},
            ],
        },
        {
            "name": "order_update",
            "language": "pt_BR",
            "category": "UTILITY",
            "components": [
                {
                    "type": "BODY",
                    "text": "Olá {{1}}, o pedido {{2}} chega em {{3}}. Até já!",
                    "example": {"body_text": [["Zoë", "A-1001", "amanhã"]]},
                },
                {
                    "type": "BUTTONS",
                    "buttons": [
                        {
                            "type": "URL",
                            "text": "Acompanhar",
                            "url": "https://store.example/o/{{1}}",
                            "example": ["https://store.example/o/A-1001"],
                        }
                    ],
                },
            ],
        },
        {
            "name": "spring_offer",
            "language": "pt_BR",
            "category": "MARKETING",
            "components": [
                {
                    "type": "BODY",
                    "text": "{{first_name}}, só hoje: {{discount}} de desconto na loja.",
                    "example": {
                        "body_text_named_params": [
                            {"param_name": "first_name", "example": "Zoë"},
                            {"param_name": "discount", "example": "20%"},
                        ]
                    },
                },
                {
                    "type": "BUTTONS",
                    "buttons": [{"type": "QUICK_REPLY", "text": "Parar promoções"}],
                },
            ],
        },
    ]


def _word(seed: int, purpose: str, length: int) -> str:
    return hashlib.blake2b(f"{seed}/{purpose}".encode()).hexdigest()[:length]


def _digits(seed: int, purpose: str, length: int) -> str:
    number = int.from_bytes(hashlib.blake2b(f"{seed}/{purpose}".encode(), digest_size=16).digest())
    return f"1{number % 10 ** (length - 1):0{length - 1}d}"
