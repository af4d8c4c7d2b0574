(() => {
  const PRINTED_PX = 680, USUAL_PX = 480, TWO_A_PAGE_PX = 350, WHOLE_PAGE_PX = 860;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const narrow = matchMedia("(max-width: 40rem)");
  const coarse = matchMedia("(pointer: coarse)");
  const darkColors = JSON.parse(document.getElementById("dark-colors").textContent);
  const plots = [...document.querySelectorAll(".plot")];
  const drawn = new Set();
  let printing = false;

  const draw = (plot) => {
    const json = plot.closest("figure").querySelector("script").textContent;
    let figure = JSON.parse(json);
    if (dark.matches && !printing) figure = recolored(figure, darkColors);
    const layout = figure.layout;
    layout.autosize = !printing;
    if (printing) {
      layout.width = PRINTED_PX;
      layout.height = Math.min(layout.height, layout.height === USUAL_PX ? TWO_A_PAGE_PX : WHOLE_PAGE_PX);
      layout.font = {...layout.font, size: 11};
    }
    if (coarse.matches) layout.dragmode = false;
    layout.modebar = {bgcolor: "rgba(0,0,0,0)", color: layout.font.color, activecolor: layout.font.color};
    if (narrow.matches && !printing && !plot.classList.contains("wide")) {
      layout.legend = {...layout.legend, orientation: "h", x: 0, xanchor: "left", y: -0.2, yanchor: "top"};
      layout.margin = {...layout.margin, l: 52, r: 8};
      layout.font = {...layout.font, size: 11};
      layout.height += 100;
      // The table below names the front's configurations.
      figure.data.filter((trace) => trace.mode === "markers+text").forEach((trace) => { trace.mode = "markers"; });
    }
    drawn.add(plot);
    // plotly.js shows a button that uploads the chart to plotly's servers unless it is told not to.
    const config = {displaylogo: false, responsive: true, showSendToCloud: false};
    if (coarse.matches) config.displayModeBar = false;
    Plotly.react(plot, figure.data, layout, config);
  };

  const redraw = () => drawn.forEach(draw);
  const seen = new IntersectionObserver((entries) => {
    for (const entry of entries.filter((each) => each.isIntersecting)) {
      seen.unobserve(entry.target);
      draw(entry.target);
    }
  }, {rootMargin: "800px"});
  plots.forEach((plot) => seen.observe(plot));
  dark.addEventListener("change", redraw);
  narrow.addEventListener("change", redraw);
  addEventListener("beforeprint", () => { printing = true; plots.forEach(draw); });
  addEventListener("afterprint", () => { printing = false; redraw(); });

  // What scrolls sideways must be reached by the keyboard.
  const markScrollers = () => {
    for (const box of document.querySelectorAll(".scroll")) {
      if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
      else box.removeAttribute("tabindex");
    }
  };
  new ResizeObserver(markScrollers).observe(document.body);
  document.addEventListener("toggle", markScrollers, true);
})();
