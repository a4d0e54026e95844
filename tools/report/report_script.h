// The script of the report page. The page says everything without it; it adds
// reading values with the pointer and with the arrow keys.

#ifndef EPLB_TOOLS_REPORT_REPORT_SCRIPT_H_
#define EPLB_TOOLS_REPORT_REPORT_SCRIPT_H_

namespace eplb {

inline constexpr char kReportScript[] = R"js(
"use strict";
(() => {
const report = JSON.parse(document.getElementById("figures").textContent);

// Lets the reader walk through `count` values of `picture`; `columns` of them
// are a row. show(index) returns what is said about a value. Until now the
// picture was an image; what takes keys is to screen readers an application.
function walk(picture, kind, count, columns, show) {
  const readout = picture.parentElement.querySelector(".readout");
  const steps = {ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns,
                 ArrowDown: columns, PageUp: -10 * columns,
                 PageDown: 10 * columns};
  let at = 0;
  const go = (index) => {
    at = Math.max(0, Math.min(count - 1, index));
    readout.textContent = show(at);
  };
  picture.tabIndex = 0;
  picture.setAttribute("role", "application");
  picture.setAttribute("aria-roledescription", kind);
  const keys = document.createElement("p");
  keys.className = "keys";
  keys.id = picture.id + "_keys";
  keys.textContent = `Point at the ${kind}, or select it and press the arrow ` +
      "keys, Home or End, to read its values.";
  readout.after(keys);
  picture.setAttribute("aria-describedby", keys.id);
  picture.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (event.key === "Home") go(0);
    else if (event.key === "End") go(count - 1);
    else if (event.key in steps) {
      const next = at + steps[event.key];
      if (columns === 1 || (next >= 0 && next < count)) go(next);
    } else return;
    event.preventDefault();
  });
  picture.addEventListener("focus", () => {
    if (picture.matches(":focus-visible")) go(at);
  });
  return go;
}

const chart = document.getElementById("balancedness");
if (chart) {
  const steps = report.steps, box = chart.dataset;
  const left = Number(box.left), width = Number(box.right) - left;
  const range = Math.max(steps[steps.length - 1] - steps[0], 1);
  const cursor = chart.querySelector(".cursor");
  const say = (values, i) =>
      values[i] === 0 ? "no tokens" : values[i].toFixed(4);
  const go = walk(chart, "chart", steps.length, 1, (i) => {
    const x = left + width * (steps[i] - steps[0]) / range;
    cursor.setAttribute("d", `M${x},${box.top}V${box.bottom}`);
    const without = report.balancedness_without;
    return `${report.step_name} ${steps[i]}: ${say(report.balancedness, i)}` +
        (without ? ` (${report.before}: ${say(without, i)})` : "");
  });
  chart.addEventListener("pointermove", (event) => {
    const place = chart.getBoundingClientRect();
    const x = (event.clientX - place.left) / place.width *
        chart.viewBox.baseVal.width;
    const wanted = steps[0] + range * (x - left) / width;
    let low = 0, high = steps.length - 1;
    while (low < high) {
      const middle = low + high >> 1;
      if (steps[middle] < wanted) low = middle + 1; else high = middle;
    }
    if (low > 0 && wanted - steps[low - 1] < steps[low] - wanted) --low;
    go(low);
  });
}

for (const map of document.querySelectorAll(".heat")) {
  const cells = [...map.querySelectorAll("rect")];
  const columns = Number(map.dataset.columns);
  const go = walk(map, "heat map", cells.length, columns, (i) => {
    map.querySelector(".at")?.classList.remove("at");
    cells[i].classList.add("at");
    return cells[i].textContent + " times the mean of the layer";
  });
  map.addEventListener("pointerover", (event) => {
    const index = cells.indexOf(event.target.closest("rect"));
    if (index >= 0) go(index);
  });
}

// Paper has nothing to click on.
addEventListener("beforeprint", () => {
  for (const details of document.querySelectorAll("details")) {
    details.open = true;
  }
});
})();
)js";

}  // namespace eplb

#endif  // EPLB_TOOLS_REPORT_REPORT_SCRIPT_H_
