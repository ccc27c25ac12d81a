// Everything works without this file: it copies, previews prices while somebody types, and reads files into lists.
(() => {
  "use strict";
  const all = (selector) => document.querySelectorAll(selector);

  // Copy buttons: <button type="button" data-copy="text" data-copied="Copied" hidden>Copy</button>
  for (const button of all("[data-copy]")) {
    if (!navigator.clipboard) continue;
    button.hidden = false;
    const words = button.textContent;
    button.setAttribute("aria-live", "polite");
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(button.dataset.copy);
      button.textContent = button.dataset.copied;
      setTimeout(() => { button.textContent = words; }, 2000);
    });
  }

  // Files of SKUs: <input type="file" data-into="id of a textarea" hidden>
  for (const input of all("[data-into]")) {
    const target = document.getElementById(input.dataset.into);
    input.closest("[data-script]")?.removeAttribute("hidden");
    input.addEventListener("change", async () => {
      const [file] = input.files;
      if (!file || file.size > 1_000_000) return;
      target.value = [target.value.trim(), (await file.text()).trim()].filter(Boolean).join("\n");
      target.dispatchEvent(new Event("input", { bubbles: true }));
    });
  }

  // Previews: a form with data-preview="address" and an element with data-preview-into. The server answers with the same markup that it
  // puts there itself.
  for (const form of all("form[data-preview]")) {
    const target = document.querySelector("[data-preview-into]");
    let timer, running;
    const renew = async () => {
      running?.abort();
      running = new AbortController();
      try {
        const body = new URLSearchParams(new FormData(form));
        const answer = await fetch(form.dataset.preview, { method: "POST", body, signal: running.signal, redirect: "error" });
        if (answer.ok) target.innerHTML = await answer.text();
      } catch { /* The next change asks again; the button does without. */ }
    };
    form.addEventListener("input", (event) => {
      if (event.target.type === "file") return;
      clearTimeout(timer);
      timer = setTimeout(renew, 300);
    });
  }

  // An open menu closes when something else is clicked, or with Escape.
  document.addEventListener("click", (event) => {
    for (const menu of all("details.menu[open]")) if (!menu.contains(event.target)) menu.open = false;
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    for (const menu of all("details.menu[open]")) { menu.open = false; menu.querySelector("summary").focus(); }
  });
})();
