// Draws the charts of a page; their numbers are in the element itself, and in the table below it.
"use strict";

function drawCharts() {
  for (const element of document.querySelectorAll("[data-chart]")) {
    if (element.firstChild) continue;
    // A canvas knows no light-dark(): the browser says what it comes to.
    const colour = (name) => {
      element.style.color = `var(${name})`;
      const resolved = getComputedStyle(element).color;
      element.style.color = "";
      return resolved;
    };
    const line = (label, name, scale, unit = "") => ({
      label,
      scale,
      stroke: colour(name),
      width: 2,
      points: { size: 4 },
      value: (_, value) => (value == null ? "–" : value + unit),
    });
    const axis = (scale, side, values) => ({
      scale,
      side,
      values,
      size: scale === "ms" ? 70 : 50,
      stroke: colour("--dim"),
      grid: { show: scale !== "ms", stroke: colour("--line"), width: 1 },
      ticks: { stroke: colour("--line"), width: 1 },
    });
    const chart = new uPlot(
      {
        width: element.clientWidth,
        height: 220,
        scales: { ms: { range: (_, low, high) => [0, Math.max(high, 10)] }, n: { range: (_, low, high) => [0, Math.max(high, 4)] } },
        axes: [axis("x", 2), axis("n", 3), axis("ms", 1, (_, ticks) => ticks.map((tick) => `${tick} ms`))],
        series: [
          {},
          line("Delivered", "--good", "n"),
          line("Failed", "--bad", "n"),
          { ...line("Mean", "--accent", "ms", " ms"), dash: [4, 4], spanGaps: true },
        ],
      },
      JSON.parse(element.dataset.chart),
      element,
    );
    new ResizeObserver(() => chart.setSize({ width: element.clientWidth, height: 220 })).observe(element);
  }
}
drawCharts();
document.addEventListener("htmx:afterSwap", drawCharts);
