"use strict";
// As `dashboards.dark` does it: only under keys that hold colours, for a method may be called "white"; and not the
// scales of heat maps, whose neighbours stand out from each other.
const recolored = (value, colors, isColor = false) => {
  if (typeof value === "string") return isColor && value in colors ? colors[value] : value;
  if (Array.isArray(value)) return value.map((each) => recolored(each, colors, isColor));
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) =>
    [key, key === "coloraxis" ? each : recolored(each, colors, /color/i.test(key))]));
};
