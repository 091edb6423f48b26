// In a frame: light or dark as the page around it asks (`darkMode`), and that page is notified of this one's height.

if (parent !== window) {
  const root = document.documentElement;
  root.classList.add("framed");
  try {
    const dark = new URLSearchParams(location.search).get("darkMode");
    if (dark) sessionStorage.setItem("theme", dark === "true" ? "dark" : "");
    const theme = sessionStorage.getItem("theme");
    if (theme) root.dataset.theme = theme;
  } catch {
    // A frame may be denied any storage.
  }
  const notify = () => {
    const height = Math.ceil(document.body.getBoundingClientRect().height);
    parent.postMessage({ type: "svix.iframe-resizer-height", payload: { height } }, "*");
  };
  new ResizeObserver(notify).observe(document.body);
  addEventListener("load", notify);
}
