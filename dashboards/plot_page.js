(() => {
  const text = document.getElementById("figure").textContent;
  const darkColors = JSON.parse(document.getElementById("dark-colors").textContent);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const draw = (isDark) => {
    const figure = isDark ? recolored(JSON.parse(text), darkColors) : JSON.parse(text);
    // What was zoomed into or switched off stays when the colours change.
    figure.layout.uirevision = true;
    // plotly.js shows a button that uploads the chart to plotly's servers unless it is told not to.
    const config = {displaylogo: false, responsive: true, showSendToCloud: false};
    Plotly.react("plot", figure.data, figure.layout, config);
  };
  draw(dark.matches);
  dark.addEventListener("change", () => draw(dark.matches));
  addEventListener("beforeprint", () => draw(false));
  addEventListener("afterprint", () => draw(dark.matches));
})();
