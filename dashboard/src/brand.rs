//! The sender's name and color, on every page.
//!
//! The operator sets one color; the pages need it as text on light and dark backgrounds. It is darkened or lightened until
//! its contrast meets WCAG AA (4.5:1).

use std::borrow::Cow;
use std::fmt::Write;
use weir_core::settings;

type Rgb = [u8; 3];

/// A sender's brand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Brand {
    /// The sender's name.
    pub name: String,
    /// The sender's color.
    pub color: Option<Rgb>,
    /// The URL of the sender's logo.
    pub logo: Option<String>,
    /// The origins of pages that may embed the portal.
    pub origins: Vec<String>,
    /// The font families of the portal, separated by commas.
    pub font: Option<String>,
}

/// What a page that embeds the portal may change of its look: the properties `primaryColor`, `fontFamily` and `icon` of
/// svix-react's `<AppPortal>`. Each is used only if it is valid.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Look {
    color: Option<Rgb>,
    font: Option<String>,
    icon: Option<String>,
}

/// The most bytes of an icon's URL: it is part of a header of each page.
const MAX_ICON: usize = 300;
/// The most font families, and bytes of each name.
const MAX_FONTS: usize = 5;
const MAX_FONT: usize = 50;
/// Font families that are keywords, and therefore not quoted.
const GENERIC: [&str; 8] = [
    "serif",
    "sans-serif",
    "monospace",
    "system-ui",
    "ui-serif",
    "ui-sans-serif",
    "ui-monospace",
    "ui-rounded",
];

/// Font families as CSS. Names are of letters, digits, spaces, `-` and `_`, with or without quotes; the system's font is the
/// last resort. The pages' policy allows no fonts from elsewhere, so only those of the reader's system are used.
fn fonts(given: &str) -> Option<String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || " -_".contains(c);
    let mut css = String::new();
    for (nth, name) in given.split(',').enumerate() {
        let name = name.trim().trim_matches(['"', '\'']).trim();
        if nth >= MAX_FONTS || name.is_empty() || name.len() > MAX_FONT || !name.chars().all(plain) {
            return None;
        }
        let _ = if GENERIC.contains(&name) { write!(css, "{name},") } else { write!(css, "\"{name}\",") };
    }
    css.push_str("system-ui,sans-serif");
    Some(css)
}

impl Look {
    /// Reads what a page asks for. `of` is the value of a name.
    pub fn read(of: impl Fn(&str) -> Option<String>) -> Self {
        Self {
            color: of("primaryColor").and_then(|value| settings::color(&value)),
            font: of("fontFamily").filter(|value| fonts(value).is_some()),
            icon: of("icon").filter(|value| value.len() <= MAX_ICON && settings::logo(value)),
        }
    }

    /// Whether it changes nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// As a query, which [`Look::of_query`] reads.
    pub(crate) fn query(&self) -> String {
        let color = self.color.map(|color| {
            let mut text = String::new();
            hex(&mut text, color);
            text
        });
        let pairs = [
            ("primaryColor", color.as_ref()),
            ("fontFamily", self.font.as_ref()),
            ("icon", self.icon.as_ref()),
        ];
        let pairs = pairs.into_iter().filter_map(|(name, value)| Some((name, value?)));
        form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
    }

    /// Reads a query.
    pub fn of_query(query: &str) -> Self {
        let find = |name: &str| {
            form_urlencoded::parse(query.as_bytes()).find(|(known, _)| known == name).map(|(_, value)| value)
        };
        Self::read(|name| find(name).map(Cow::into_owned))
    }
}

impl Default for Brand {
    fn default() -> Self {
        Self { name: "Weir".to_owned(), color: None, logo: None, origins: Vec::new(), font: None }
    }
}

/// The backgrounds of text in `dashboard.css`: page, card, raised, and the row under the pointer.
const LIGHT: [Rgb; 3] = [[0xff, 0xff, 0xff], [0xf6, 0xf7, 0xf9], [0xe7, 0xea, 0xef]];
const DARK: [Rgb; 3] = [[0x0b, 0x0d, 0x11], [0x13, 0x16, 0x1b], [0x1e, 0x22, 0x2a]];
const BLACK: Rgb = [0, 0, 0];
const WHITE: Rgb = [0xff, 0xff, 0xff];
/// The share of the color in the background of selected items.
const TINT: f64 = 0.12;
/// The minimum contrast of text.
const CONTRAST: f64 = 4.5;
/// In how many steps a color becomes black or white.
const STEPS: u8 = 40;

impl Brand {
    /// The brand of a sender with a name or a color.
    pub fn new(name: Option<&str>, color: Option<Rgb>) -> Self {
        let own = Self::default();
        Self { name: name.map_or(own.name, str::to_owned), color, ..own }
    }

    /// The same with a logo, and the origins of pages that may embed the portal. Both were checked: they become part of
    /// the pages' policy.
    #[must_use]
    pub fn with(self, logo: Option<&str>, origins: &[String]) -> Self {
        Self { logo: logo.map(str::to_owned), origins: origins.to_vec(), ..self }
    }

    /// The same with the look that an embedding page asks for.
    #[must_use]
    pub fn dressed(&self, look: &Look) -> Self {
        Self {
            color: look.color.or(self.color),
            logo: look.icon.clone().or_else(|| self.logo.clone()),
            font: look.font.clone().or_else(|| self.font.clone()),
            ..self.clone()
        }
    }

    /// The content security policy of the portal's pages.
    pub(crate) fn policy(&self, portal: bool) -> String {
        let logo = self.logo.as_deref().filter(|_| portal);
        let logo = logo.map(|logo| format!(" {logo}")).unwrap_or_default();
        let framed =
            if portal && !self.origins.is_empty() { self.origins.join(" ") } else { "'none'".to_owned() };
        format!(
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:{logo}; connect-src 'self'; \
             form-action 'self'; base-uri 'none'; frame-ancestors {framed}"
        )
    }

    /// The path of the brand's stylesheet, if it has one. The path contains all that the stylesheet depends on, so that browsers
    /// can cache it.
    pub(crate) fn stylesheet(&self) -> Option<String> {
        let look = Look { color: self.color, font: self.font.clone(), icon: None };
        (!look.is_empty()).then(|| format!("{}/brand.css?{}", crate::PREFIX, look.query()))
    }

    /// The stylesheet.
    pub fn css(&self) -> String {
        let mut css = String::new();
        if let Some(font) = self.font.as_deref().and_then(fonts) {
            let _ = write!(css, ":root{{--sans:{font}}}");
        }
        let Some(color) = self.color else { return css };
        let (light, dark) = (Shades::of(color, LIGHT, BLACK), Shades::of(color, DARK, WHITE));
        // Button labels are white, light or dark.
        let (accent, darker) =
            (readable(color, &[WHITE], BLACK), mixed(readable(color, &[WHITE], BLACK), BLACK, 0.2));
        css.push_str(":root{");
        for (name, light, dark) in [
            ("accent", accent, accent),
            ("accent-2", darker, darker),
            ("on-accent", WHITE, WHITE),
            ("link", light.text, dark.text),
            ("acc-fill", light.text, dark.text),
            ("accent-bg", light.ground, dark.ground),
        ] {
            let _ = write!(css, "--{name}:light-dark(#");
            hex(&mut css, light);
            css.push_str(",#");
            hex(&mut css, dark);
            css.push_str(");");
        }
        css.push_str("}.bar{border-top:3px solid #");
        hex(&mut css, color);
        css.push('}');
        css
    }
}

/// The color on light or dark backgrounds: as text, and as the background of selected items.
struct Shades {
    text: Rgb,
    ground: Rgb,
}

impl Shades {
    fn of(color: Rgb, grounds: [Rgb; 3], towards: Rgb) -> Self {
        let [_, card, _] = grounds;
        let ground = mixed(card, color, TINT);
        let all = [grounds.as_slice(), &[ground]].concat();
        Self { text: readable(color, &all, towards), ground }
    }
}

fn hex(into: &mut String, [r, g, b]: Rgb) {
    let _ = write!(into, "{r:02x}{g:02x}{b:02x}");
}

/// The closest color that is legible on all of these backgrounds.
fn readable(color: Rgb, grounds: &[Rgb], towards: Rgb) -> Rgb {
    let reads = |color: &Rgb| grounds.iter().all(|ground| contrast(*color, *ground) >= CONTRAST);
    (0..=STEPS)
        .map(|step| mixed(color, towards, f64::from(step) / f64::from(STEPS)))
        .find(reads)
        .unwrap_or(towards)
}

fn mixed(one: Rgb, other: Rgb, share: f64) -> Rgb {
    let mut out = one;
    for (to, other) in out.iter_mut().zip(other) {
        let value = f64::from(*to) * (1.0 - share) + f64::from(other) * share;
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // between two bytes
        let value = value.round() as u8;
        *to = value;
    }
    out
}

fn contrast(one: Rgb, other: Rgb) -> f64 {
    let (one, other) = (luminance(one), luminance(other));
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

/// As defined by WCAG 2.
fn luminance([r, g, b]: Rgb) -> f64 {
    let linear = |part: u8| {
        let part = f64::from(part) / 255.0;
        if part <= 0.040_45 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
    };
    0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn contrast_is_what_the_guidelines_say() {
        assert!((contrast([0, 0, 0], [255, 255, 255]) - 21.0).abs() < 0.01);
        assert!((contrast([0x76, 0x76, 0x76], [255, 255, 255]) - 4.54).abs() < 0.01);
    }

    #[test]
    fn a_color_that_can_be_read_stays_and_styles_are_only_what_they_have_to_be() {
        let brand = Brand { name: "Acme".into(), color: Some([0x0b, 0x5c, 0xad]), ..Brand::default() };
        assert!(brand.css().starts_with(":root{--accent:light-dark(#0b5cad,#0b5cad);"), "{}", brand.css());
        assert_eq!(brand.stylesheet().as_deref(), Some("/dashboard/brand.css?primaryColor=0b5cad"));
        assert_eq!((Brand::default().css(), Brand::default().stylesheet()), (String::new(), None));
    }

    #[test]
    fn only_the_portal_is_embedded_and_only_by_those_who_are_named() {
        let brand = Brand::default()
            .with(Some("https://acme.example/l.svg"), &["https://app.acme.example".to_owned()]);
        let (portal, own) = (brand.policy(true), brand.policy(false));
        assert!(portal.ends_with("frame-ancestors https://app.acme.example"), "{portal}");
        assert!(portal.contains("img-src 'self' data: https://acme.example/l.svg;"), "{portal}");
        assert!(own.ends_with("frame-ancestors 'none'") && !own.contains("acme.example"), "{own}");
        assert!(Brand::default().policy(true).ends_with("frame-ancestors 'none'"));
    }

    #[test]
    fn a_look_is_used_as_far_as_it_is_valid() {
        let look = |query: &str| Look::of_query(query);
        let all =
            look("primaryColor=112233&fontFamily=%22Open+Sans%22,serif&icon=https://acme.example/i.png&x=y");
        assert_eq!(Look::of_query(&all.query()), all);
        let brand = Brand::default().dressed(&all);
        assert_eq!(
            brand.stylesheet().as_deref(),
            Some("/dashboard/brand.css?primaryColor=112233&fontFamily=%22Open+Sans%22%2Cserif")
        );
        assert!(
            brand.css().starts_with(":root{--sans:\"Open Sans\",serif,system-ui,sans-serif}:root{--accent:")
        );
        assert!(brand.policy(true).contains("img-src 'self' data: https://acme.example/i.png;"));
        assert!(!brand.policy(false).contains("acme.example"));
        for wrong in [
            "primaryColor=red",
            "primaryColor=12345g",
            "fontFamily=a;}body{display:none",
            "fontFamily=url(https://evil.example)",
            "fontFamily=a,,b",
            "fontFamily=a%22,b%5c",
            "icon=http://acme.example/i.png",
            "icon=javascript:alert(1)",
            "icon=https://acme.example/i.png;script-src+*",
            "icon=https://acme.example",
            "",
        ] {
            assert!(look(wrong).is_empty(), "{wrong}");
        }
        let long = format!(
            "icon=https://acme.example/{}&fontFamily={}",
            "i".repeat(MAX_ICON),
            "f".repeat(MAX_FONT + 1)
        );
        assert!(look(&long).is_empty());
        assert_eq!(Brand::default().dressed(&Look::default()), Brand::default());
    }

    proptest! {
        #[test]
        fn any_look_becomes_a_rule_and_nothing_else(color in ".{0,8}", font in ".{0,40}", icon in ".{0,40}") {
            let of = |name: &str| match name {
                "primaryColor" => Some(color.clone()),
                "fontFamily" => Some(font.clone()),
                _ => Some(format!("https://{icon}")),
            };
            let brand = Brand::default().dressed(&Look::read(of));
            let css = brand.css();
            prop_assert_eq!(css.matches('{').count(), css.matches('}').count());
            prop_assert!(!css.contains(['<', '\\', '@', '\n']) && !css.contains("url"), "{}", css);
            prop_assert_eq!(brand.policy(true).matches(';').count(), Brand::default().policy(true).matches(';').count());
        }

        #[test]
        fn any_color_becomes_one_that_can_be_read(color: [u8; 3]) {
            prop_assert!(contrast(readable(color, &[WHITE], BLACK), WHITE) >= CONTRAST);
            for (grounds, towards) in [(LIGHT, BLACK), (DARK, WHITE)] {
                let shades = Shades::of(color, grounds, towards);
                for ground in grounds.into_iter().chain([shades.ground]) {
                    prop_assert!(contrast(shades.text, ground) >= CONTRAST);
                }
            }
        }
    }
}
