"use strict";
// The page works without. Whatever stands behind "#" stays in this browser: it is shown and put into the button's address.
(() => {
  const by = (id) => document.getElementById(id);
  const forms = {
    "single-use": /^[0-9A-Z]{4}-?[0-9A-Z]{4}-?[0-9A-Z]{4}-?[0-9A-Z]{4}$/,
    group: /^[0-9A-Z]{3,20}$/,
  };
  const box = by("code-box");

  const fragment = () => {
    let text = location.hash.slice(1);
    try {
      text = decodeURIComponent(text);
    } catch {
      return "";
    }
    const form = box && forms[box.dataset.fragment];
    text = text.trim().toUpperCase();
    return form && form.test(text) ? text : "";
  };
  const showFragment = () => {
    const code = fragment();
    if (!code) return;
    by("code").textContent = code;
    box.hidden = false;
    by("how").hidden = true;
    by("how-shown").hidden = false;
    const go = by("go");
    if (go.dataset.pattern.includes("{code}")) {
      go.href = go.dataset.pattern.replaceAll("{code}", encodeURIComponent(code));
    }
  };
  const keepFragment = () => {
    const other = by("language");
    other.hash = location.hash;
  };
  showFragment();
  keepFragment();
  addEventListener("hashchange", () => {
    showFragment();
    keepFragment();
  });

  if (box && navigator.clipboard) {
    const copy = by("copy");
    const copied = by("copied");
    copy.hidden = false;
    copy.addEventListener("click", async () => {
      copied.textContent = "";
      try {
        await navigator.clipboard.writeText(by("code").textContent);
        copied.textContent = copied.dataset.said;
      } catch {
        getSelection().selectAllChildren(by("code"));
      }
    });
  }

  // By the server's clock when the page was made, plus what this machine's clock has gone on since: its own time may be wrong.
  const countdown = by("countdown");
  if (countdown) {
    const end = Date.parse(by("ends").dateTime);
    const made = Date.parse(countdown.dataset.now);
    const opened = Date.now();
    const units = countdown.dataset.units.split("|");
    const tell = () => {
      const seconds = Math.floor((end - made - (Date.now() - opened)) / 1000);
      countdown.hidden = false;
      if (seconds < 0) {
        countdown.textContent = countdown.dataset.over;
        return;
      }
      const minutes = Math.floor(seconds / 60);
      const parts = [Math.floor(minutes / 1440), Math.floor(minutes / 60) % 24, minutes % 60, seconds % 60];
      const last = seconds < 3600;
      const from = last ? 2 : parts.findIndex((part, index) => part > 0 || index === 2);
      const shown = parts.slice(from, last ? 4 : 3);
      const text = shown.map((part, index) => part + units[from + index]).join("").trim();
      countdown.textContent = countdown.dataset.left.replace("{}", text);
      const next = last ? 1000 : Math.min((seconds % 60) + 1, seconds - 3599) * 1000;
      setTimeout(tell, next);
    };
    tell();
  }
})();
