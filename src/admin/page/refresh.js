// Shows the page anew without moving what is read. Without this the browser loads it each 30 s.
"use strict";
setInterval(async () => {
  if (document.hidden) return;
  try {
    const answer = await fetch("/", { cache: "no-store" });
    if (!answer.ok) throw new Error(answer.statusText);
    const next = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const part of ["header", "main"]) {
      document.querySelector(part).replaceWith(next.querySelector(part));
    }
    document.title = next.title;
    document.body.classList.remove("stale");
  } catch {
    document.body.classList.add("stale");
  }
}, 5000);
