"use strict";
// Without this script the page shows everything; with it, it filters and copies.
const form = document.querySelector("form.filters");
const results = [...document.querySelectorAll(".result")];
const shown = {
  all: () => true,
  failed: (verdict) => verdict !== "pass" && verdict !== "skip",
  skip: (verdict) => verdict === "skip",
};

function apply(choice) {
  for (const result of results) result.hidden = !shown[choice](result.dataset.verdict);
  for (const group of document.querySelectorAll(".group, .model")) {
    group.hidden = !group.querySelector(".result:not([hidden])");
  }
  const count = results.filter((result) => !result.hidden).length;
  form.querySelector("[role=status]").textContent = `${count} of ${results.length} results`;
}

if (form) {
  const asked = location.hash.slice(1);
  const start = Object.hasOwn(shown, asked) ? asked : "all";
  form.hidden = false;
  const radio = form.querySelector(`input[value=${start}]`);
  if (radio) radio.checked = true;
  apply(start);
  form.addEventListener("change", (event) => {
    apply(event.target.value);
    history.replaceState(null, "", `#${event.target.value}`);
  });
  form.addEventListener("submit", (event) => event.preventDefault());
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}

for (const button of document.querySelectorAll("button.copy")) {
  const label = button.firstChild;
  button.hidden = false;
  button.addEventListener("click", async () => {
    const pre = button.parentElement.querySelector("pre");
    const done = await copy(pre.textContent);
    if (!done) getSelection().selectAllChildren(pre);
    label.textContent = done ? "Copied" : "Selected";
    setTimeout(() => { label.textContent = "Copy"; }, 2000);
  });
}

// A link to a result opens it.
function reveal() {
  const target = /^#result-\d+$/.test(location.hash) && document.querySelector(location.hash);
  if (target) target.open = true;
}
addEventListener("hashchange", reveal);
reveal();
