//! First contact: `/`, the files that browsers and robots request, and 404 pages.

use serde_json::json;
use weir_tests::client::{Api, Reply};
use weir_tests::gateway::{Running, shared};

const PAGE: (&str, &str) = ("accept", "text/html,application/xhtml+xml,*/*;q=0.8");

#[track_caller]
fn ask(api: &Api, path: &str, headers: &[(&str, &str)]) -> Reply {
    api.try_call("GET", path, None, headers).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[test]
fn the_start_page_says_what_this_is_and_programs_get_json() {
    let gateway = shared();
    let api = gateway.tenant();
    let page = ask(&api, "/", &[PAGE]);
    assert_eq!(page.status, 200);
    assert!(page.header("content-type").is_some_and(|kind| kind.starts_with("text/html")), "{page:?}");
    assert!(
        page.header("content-security-policy").is_some_and(|policy| policy.contains("default-src 'none'"))
    );
    for part in ["webhook gateway", "href=\"/dashboard\"", "href=\"/docs\"", "curl "] {
        assert!(page.text.contains(part), "{part} is missing");
    }
    assert!(
        !page.text.contains("is not set"),
        "a gateway that works tells strangers nothing of its settings"
    );

    let about = ask(&api, "/", &[]).json();
    assert_eq!(about["name"], "Weir");
    assert_eq!(about["api"], format!("{}/api/v1", api.url()));
    assert_eq!(about["missing"], json!([]));
}

#[test]
fn a_deployment_without_its_secrets_says_what_to_do() {
    let gateway = Running::start(&[("JWT_SECRET", "")]);
    let api = gateway.tenant();
    let page = ask(&api, "/", &[PAGE]);
    for name in ["JWT_SECRET", "MASTER_KEY"] {
        assert!(page.text.contains(&format!("<b>{name} is not set.</b>")), "{}", page.text);
        let put = format!("npx wrangler secret put {name} &#60; .weir/production/");
        assert!(page.text.contains(&put), "{}", page.text);
    }
    // The reader also gets a token, and keeps the secret that signs further ones.
    let (token, put) =
        (page.text.find("npx weir-gateway token --data .weir/production"), page.text.find("put JWT_SECRET"));
    assert!(token.is_some() && token < put, "{}", page.text);
    let about = ask(&api, "/", &[]).json();
    assert_eq!(about["missing"][0]["name"], "JWT_SECRET");
    assert_eq!(about["missing"][0]["commands"][0], "npx weir-gateway token --data .weir/production");
}

#[test]
fn a_missing_master_key_is_logged_at_the_first_request_whatever_it_is() {
    let gateway = Running::start(&[]);
    assert_eq!(ask(&gateway.tenant(), "/api/v1/health", &[]).status, 200);
    assert!(gateway.log().contains("MASTER_KEY is not set."), "{}", gateway.log());
}

#[test]
fn a_browser_that_is_signed_in_goes_on_to_the_dashboard() {
    let gateway = shared();
    let api = gateway.tenant();
    let form = format!("token={}", api.token);
    let kind = ("content-type", "application/x-www-form-urlencoded");
    let signed_in =
        api.try_call("POST", "/dashboard/login", Some(form.as_bytes()), &[kind]).expect("an answer");
    let cookies: Vec<&str> = signed_in
        .headers
        .iter()
        .filter(|(name, _)| name == "set-cookie")
        .map(|(_, value)| value.as_str())
        .collect();
    let marker = cookies.iter().find(|cookie| cookie.starts_with("weir_here=1; Path=/;"));
    assert!(marker.is_some(), "{cookies:?}");
    let session = cookies.iter().find(|cookie| cookie.starts_with("weir_session="));
    assert!(session.is_some_and(|cookie| cookie.contains("Path=/dashboard;")), "{cookies:?}");

    let home = ask(&api, "/", &[PAGE, ("cookie", "a=b; weir_here=1")]);
    assert_eq!((home.status, home.header("location")), (303, Some("/dashboard")));
    assert_eq!(ask(&api, "/", &[PAGE, ("cookie", "not_weir_here=1")]).status, 200);
    assert_eq!(ask(&api, "/", &[("cookie", "weir_here=1")]).status, 200, "programs are not sent on");
}

#[test]
fn browsers_and_robots_find_their_files() {
    let gateway = Running::start(&[("SECURITY_CONTACT", "mailto:security@example.com")]);
    let api = gateway.tenant();
    for (path, kind, part) in [
        ("/favicon.ico", "image/svg+xml", "<svg"),
        ("/favicon.svg", "image/svg+xml", "<svg"),
        ("/welcome.css", "text/css", "body{"),
        ("/robots.txt", "text/plain", "Disallow: /"),
        ("/.well-known/security.txt", "text/plain", "Contact: mailto:security@example.com\nExpires: 20"),
    ] {
        let file = ask(&api, path, &[]);
        assert_eq!(file.status, 200, "{path}");
        assert!(file.header("content-type").is_some_and(|is| is.starts_with(kind)), "{path}: {file:?}");
        assert!(file.text.contains(part), "{path}: {}", file.text);
    }
    let other = shared();
    assert_eq!(ask(&other.tenant(), "/.well-known/security.txt", &[]).status, 404, "nobody said whom to ask");
}

#[test]
fn what_is_not_there_is_a_page_for_browsers_and_json_for_programs() {
    let gateway = shared();
    let api = gateway.tenant();
    let page = ask(&api, "/nonsense%3Cb%3E", &[PAGE]);
    assert_eq!(page.status, 404);
    assert!(page.text.contains("Page not found") && !page.text.contains("nonsense"), "{}", page.text);
    assert_eq!(ask(&api, "/nonsense", &[]).json()["code"], "not_found");
    // The API and the URLs of sources are programs' own, whoever asks.
    for path in ["/api/v1/nonsense", "/in/nonsense"] {
        let kind = ask(&api, path, &[PAGE]).header("content-type").map(str::to_owned);
        assert!(kind.is_some_and(|kind| kind.starts_with("application/json")), "{path}");
    }
}
