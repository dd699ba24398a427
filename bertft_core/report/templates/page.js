"use strict";
(() => {
  const all = (selector, of = document) => [...of.querySelectorAll(selector)];
  const make = (tag, text, click) => Object.assign(document.createElement(tag), { textContent: text, onclick: click });

  // what a link leads to begins below the navigation, however many lines that takes
  const bar = document.querySelector("nav");
  if (bar) new ResizeObserver(() => document.documentElement.style.setProperty("--bar", `${bar.offsetHeight + 8}px`)).observe(bar);

  // a link opens the part that it leads to; a print has all of them
  const reveal = () => {
    const there = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    for (let part = there; part; part = part.parentElement) if (part.tagName === "DETAILS") part.open = true;
    if (there) there.scrollIntoView();
  };
  addEventListener("hashchange", reveal);
  reveal();
  let folded = [];
  addEventListener("beforeprint", () => { folded = all("details:not([open])"); folded.forEach((part) => { part.open = true; }); });
  addEventListener("afterprint", () => folded.forEach((part) => { part.open = false; }));

  // MLflow shows the report in a frame out of which no link leads: what it would open is said instead
  if (self !== top && origin === "null") {
    for (const link of all("a:not([href^='#'])")) {
      link.title = link.href;
      link.removeAttribute("href");
    }
  }

  // tables are sorted by the column whose title is clicked
  const value = (row, column) => {
    const text = row.cells[column].textContent.trim(), number = Number.parseFloat(text.replace(/,/g, "").replace("−", "-"));
    return Number.isNaN(number) ? text : number;
  };
  const compared = (a, b) => (typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b)));
  for (const table of all("table.sortable")) {
    all("thead th", table).forEach((title, column) => {
      title.tabIndex = 0;
      const sort = () => {
        const up = title.ariaSort !== "ascending";
        all("thead th", table).forEach((other) => { other.ariaSort = null; });
        title.ariaSort = up ? "ascending" : "descending";
        const rows = [...table.tBodies[0].rows].sort((a, b) => (up ? 1 : -1) * compared(value(a, column), value(b, column)));
        table.tBodies[0].append(...rows);
      };
      title.onclick = sort;
      title.onkeydown = (event) => { if (event.key === "Enter") sort(); };
    });
  }

  // what is to be pasted elsewhere has a button
  for (const text of all("pre")) {
    const button = make("button", "copy", async () => {
      await navigator.clipboard.writeText(text.querySelector("code").textContent);
      button.textContent = "copied";
    });
    button.className = "copy-button";
    text.prepend(button);
  }

  // values of a picture under the pointer, and under a finger
  const tip = make("div", "");
  tip.className = "tip";
  document.body.append(tip);
  const show = (event) => {
    const title = event.target.closest && event.target.closest("svg *") && event.target.querySelector(":scope > title");
    tip.style.display = title ? "block" : "none";
    if (!title) return;
    tip.textContent = title.textContent;
    tip.style.left = `${Math.max(0, Math.min(event.clientX + 12, innerWidth - tip.offsetWidth - 8))}px`;
    tip.style.top = `${event.clientY + 16}px`;
  };
  addEventListener("pointermove", show);
  addEventListener("pointerdown", show);

  // pictures as files
  const styled = (svg) => {
    const copy = svg.cloneNode(true), [, , width, height] = svg.getAttribute("viewBox").split(" ");
    const from = all("*", svg), to = all("*", copy);
    from.forEach((shape, i) => {
      const style = getComputedStyle(shape);
      for (const name of ["fill", "fill-opacity", "stroke", "stroke-width", "stroke-opacity", "stroke-dasharray", "stroke-linecap", "font-family", "font-size", "font-weight", "text-anchor"])
        to[i].style.setProperty(name, style.getPropertyValue(name));
      for (const { name, value } of [...to[i].attributes]) // only this page knows what its colours are
        if (value.startsWith("var(")) to[i].setAttribute(name, style.getPropertyValue(name));
    });
    Object.entries({ xmlns: "http://www.w3.org/2000/svg", width, height }).forEach(([name, to]) => copy.setAttribute(name, to));
    copy.style.background = getComputedStyle(document.body).backgroundColor;
    return [new XMLSerializer().serializeToString(copy), Number(width), Number(height)];
  };
  const save = (href, name) => Object.assign(document.createElement("a"), { href, download: name }).click();
  const address = (text) => `data:image/svg+xml;charset=utf-8,${encodeURIComponent(text)}`;
  all("figure > svg:not(.phone)").forEach((svg, i) => {
    const name = `${document.querySelector("h1").textContent}-${i + 1}`.replace(/[^\w-]+/g, "_");
    const line = make("p", "");
    line.className = "downloads";
    const narrow = svg.nextElementSibling?.matches("svg.phone") ? svg.nextElementSibling : svg;
    const seen = () => (getComputedStyle(svg).display === "none" ? narrow : svg);
    line.append(
      make("button", "SVG", () => save(address(styled(seen())[0]), `${name}.svg`)),
      make("button", "PNG", () => {
        const [text, width, height] = styled(seen()), image = new Image(), canvas = document.createElement("canvas");
        image.onload = () => {
          [canvas.width, canvas.height] = [2 * width, 2 * height];
          canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
          save(canvas.toDataURL("image/png"), `${name}.png`);
        };
        image.src = address(text);
      }),
    );
    narrow.after(line);
  });
})();
