//! The context of a request: the language of its texts and the proof for its forms.
//!
//! Templates are plain functions, and a page calls many of them, so the context is not passed as an argument. [`Scoped`]
//! sets it while a request's future is polled; requests that take turns never see each other's context.

use crate::lang::{self, Lang};
use crate::said::Said;
use maud::{Markup, Render, html};
use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

/// The context of a request.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scope {
    pub(crate) lang: Lang,
    pub(crate) proof: String,
    /// Whether this is the customer portal, which does not show the sender's internals.
    pub(crate) portal: bool,
    /// The content security policy of its pages.
    pub(crate) policy: Option<Rc<str>>,
    /// What the action before this page did.
    pub(crate) said: Option<Said>,
}

thread_local! {
    static NOW: RefCell<Scope> = RefCell::default();
}

/// A future that is polled within a scope.
pub(crate) struct Scoped<F> {
    pub(crate) scope: Scope,
    pub(crate) future: F,
}

impl<F: Future + Unpin> Future for Scoped<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = &mut *self;
        within(&this.scope, || Pin::new(&mut this.future).poll(context))
    }
}

/// Runs a function within a scope.
pub(crate) fn within<T>(scope: &Scope, work: impl FnOnce() -> T) -> T {
    let before = NOW.with_borrow_mut(|now| std::mem::replace(now, scope.clone()));
    let done = work();
    NOW.with_borrow_mut(|now| *now = before);
    done
}

/// The language of the request.
pub(crate) fn lang() -> Lang {
    NOW.with_borrow(|now| now.lang)
}

/// The proof that forms of this request's page send.
pub(crate) fn proof() -> String {
    NOW.with_borrow(|now| now.proof.clone())
}

/// The content security policy of the request's pages. `None` for the default, which forbids embedding.
pub(crate) fn policy() -> Option<Rc<str>> {
    NOW.with_borrow(|now| now.policy.clone())
}

/// What the action before this page did.
pub(crate) fn said() -> Option<Said> {
    NOW.with_borrow(|now| now.said)
}

/// Whether this is the customer portal.
pub(crate) fn portal() -> bool {
    NOW.with_borrow(|now| now.portal)
}

/// Translates a text of the templates. A text without a translation stays as it is.
pub(crate) fn t(text: &str) -> Text<'_> {
    Text(lang(), text)
}

/// A text that is translated when it is rendered.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Text<'a>(Lang, &'a str);

impl Text<'_> {
    /// As a plain text.
    pub(crate) fn text(self) -> String {
        lang::translated(self.0, self.1)
    }
}

impl Render for Text<'_> {
    fn render_to(&self, buffer: &mut String) {
        if self.0 == Lang::En { self.1.render_to(buffer) } else { self.text().render_to(buffer) }
    }
}

/// Translates a sentence of the templates and inserts a value for `{}`.
pub(crate) fn phrase(sentence: &str, part: impl Render) -> Markup {
    let sentence = t(sentence).text();
    let (before, after) = sentence.split_once("{}").unwrap_or((&sentence, ""));
    html! { (before) (part) (after) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_that_take_turns_keep_their_own_language() {
        let scope = |lang| Scope { lang, ..Scope::default() };
        let said = || html! { (t("Endpoints")) }.into_string();
        let (de, fr) = (scope(Lang::De), scope(Lang::Fr));
        let (one, two) = within(&de, || (said(), within(&fr, said)));
        assert_eq!(
            (one.as_str(), two.as_str(), said().as_str()),
            ("Endpunkte", "Points de terminaison", "Endpoints")
        );
        assert_eq!(
            within(&de, || phrase("next try {}", html! { b { "x" } }).into_string()),
            "nächster Versuch <b>x</b>"
        );
    }
}
