//! Code to verify signatures, in six programming languages.

use crate::scope::t;
use maud::{Markup, html};

/// The language and the code.
const CODE: [(&str, &str); 6] = [
    (
        "Node.js",
        "// npm install svix\nimport { Webhook } from \"svix\";\n\n// rawBody: the bytes as they came, not parsed and written again\nconst event = new Webhook(process.env.WEBHOOK_SECRET).verify(rawBody, request.headers);",
    ),
    (
        "Python",
        "# pip install svix\nimport os\nfrom svix.webhooks import Webhook\n\n# body: the bytes as they came\nevent = Webhook(os.environ[\"WEBHOOK_SECRET\"]).verify(body, dict(request.headers))",
    ),
    (
        "Go",
        "// go get github.com/svix/svix-webhooks/go\nhook, err := svix.NewWebhook(os.Getenv(\"WEBHOOK_SECRET\"))\n// body: the bytes as they came\nerr = hook.Verify(body, request.Header)",
    ),
    (
        "Ruby",
        "# gem install svix\nrequire \"svix\"\n\nevent = Svix::Webhook.new(ENV[\"WEBHOOK_SECRET\"]).verify(request.raw_post, headers)",
    ),
    (
        "PHP",
        "// composer require svix/svix\n$hook = new \\Svix\\Webhook(getenv(\"WEBHOOK_SECRET\"));\n$event = $hook->verify(file_get_contents(\"php://input\"), getallheaders());",
    ),
    (
        "Rust",
        "// cargo add svix\nlet hook = svix::webhooks::Webhook::new(&std::env::var(\"WEBHOOK_SECRET\")?)?;\n// body: the bytes as they came\nhook.verify(&body, &headers)?;",
    ),
];

/// The content of the dialog.
pub(super) fn verify() -> Markup {
    html! {
        p.small.muted { (t("Each request is signed with this endpoint's secret. Keep the secret on your server, and reject requests that fail verification. Verification also protects against replay attacks.")) }
        div.folds { @for (at, (language, code)) in CODE.iter().enumerate() {
            details.fold open[at == 0] { summary { (language) } (super::parts::shown(code)) }
        } }
    }
}
