// What every page does by itself: light or dark, and who serves. No other host, nothing stored but the theme.
(() => {
  "use strict";
  const KEY = "slipway-theme";
  const FOLLOW_MS = 5000;
  const TELL_MS = 20000;  // rarely: an office behind one address shares one limit at the firewall

  const wanted = () => localStorage.getItem(KEY) ||
    (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");

  const dress = () => document.body.classList.toggle("dark", wanted() === "dark");

  document.addEventListener("click", (event) => {
    if (!event.target.closest("[data-theme-toggle]")) return;
    localStorage.setItem(KEY, wanted() === "dark" ? "light" : "dark");
    dress();
  });

  const tell = async () => {
    for (const pill of document.querySelectorAll("[data-status]")) {
      try {
        const reply = await fetch(`/status/${encodeURIComponent(pill.dataset.status)}`);
        const { health, words } = await reply.json();
        if (pill.dataset.health !== health) pill.dataset.health = health;
        if (pill.textContent !== words) pill.textContent = words;
      } catch {
        pill.dataset.health = "away";
        pill.textContent = "The page does not answer";
      }
    }
  };

  // Parts that change by themselves. One that a person has unfolded stays until they fold it.
  const follow = async () => {
    for (const part of document.querySelectorAll("[data-live]")) {
      if (part.querySelector("details[open]") || part.contains(document.activeElement)) continue;
      try {
        const reply = await fetch(part.dataset.live);
        if (reply.ok) part.innerHTML = await reply.text();
      } catch { /* the next round tries again; the time on the picture tells its age */ }
    }
  };

  const watch = () => { if (!document.hidden) { tell(); follow(); } };
  const every = (ms, deed) => setInterval(() => { if (!document.hidden) deed(); }, ms);

  const begin = () => {
    dress();
    // Gradio dresses the body itself when it has loaded, so ours goes on top once more.
    new MutationObserver(() => {
      if (document.body.classList.contains("dark") !== (wanted() === "dark")) dress();
    }).observe(document.body, { attributes: true, attributeFilter: ["class"] });
    // Roles that Gradio gives to its examples and placeholder, and that their contents do not keep.
    const amend = () => {
      for (const list of document.querySelectorAll('.examples[role="list"]')) list.setAttribute("role", "group");
      for (const empty of document.querySelectorAll('.placeholder-content[role="complementary"]')) {
        empty.removeAttribute("role");
      }
    };
    let amending = 0;
    new MutationObserver(() => {
      cancelAnimationFrame(amending);
      amending = requestAnimationFrame(amend);
    }).observe(document.body, { childList: true, subtree: true });
    // The masthead appears when Gradio has drawn the page.
    const drawn = new MutationObserver(() => {
      if (!document.querySelector("[data-status]")) return;
      drawn.disconnect();
      watch();
    });
    drawn.observe(document.body, { childList: true, subtree: true });
    watch();
    every(TELL_MS, tell);
    every(FOLLOW_MS, follow);
    document.addEventListener("visibilitychange", watch);
  };
  if (document.body) begin(); else addEventListener("DOMContentLoaded", begin);
})();
