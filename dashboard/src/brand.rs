//! The sender's name and color, on every page.
//!
//! The operator sets one color; the pages need it as text on light and dark backgrounds. It is darkened or lightened until
//! its contrast meets WCAG AA (4.5:1).

use std::fmt::Write;

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
}

impl Default for Brand {
    fn default() -> Self {
        Self { name: "Weir".to_owned(), color: None, logo: None, origins: Vec::new() }
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

    /// The path of the brand's stylesheet, if it has one. The path contains the color, so that browsers can cache it.
    pub(crate) fn stylesheet(&self) -> Option<String> {
        let color = self.color?;
        let mut to = format!("{}/brand.css?color=", crate::PREFIX);
        hex(&mut to, color);
        Some(to)
    }

    /// The stylesheet.
    pub fn css(&self) -> String {
        let Some(color) = self.color else { return String::new() };
        let (light, dark) = (Shades::of(color, LIGHT, BLACK), Shades::of(color, DARK, WHITE));
        // Button labels are white, light or dark.
        let (accent, darker) =
            (readable(color, &[WHITE], BLACK), mixed(readable(color, &[WHITE], BLACK), BLACK, 0.2));
        let mut css = ":root{".to_owned();
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
        assert_eq!(brand.stylesheet().as_deref(), Some("/dashboard/brand.css?color=0b5cad"));
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

    proptest! {
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
