// Looks at the status page as people do: in Chromium, light and dark, wide and on a telephone, with
// and without a script. Prints what is wrong, a line each; nothing when all is well.
//
//     node check.mjs URL PICTURE WORDS…
import { createRequire } from "node:module";
import process from "node:process";

// Where the libraries are is the caller's business.
const require = createRequire(`${process.env.NODE_MODULES}/`);
const { chromium } = require("playwright-core");

const [url, picture, ...words] = process.argv.slice(2);
const wrong = [];
const check = (good, what) => good || wrong.push(what);

/** The contrast of two colours by WCAG 2. */
const contrast = (one, other) => {
  const luminance = (colour) => {
    const [r, g, b] = colour.match(/[\d.]+/g).slice(0, 3).map((part) => {
      const share = part / 255;
      return share <= 0.03928 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const [high, low] = [luminance(one), luminance(other)].sort((a, b) => b - a);
  return (high + 0.05) / (low + 0.05);
};

/** Each text's colour and the ground that it stands on. */
const texts = () => {
  const ground = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor;
      if (!/, 0\)$|transparent/.test(colour)) return colour;
    }
    return "rgb(255, 255, 255)";
  };
  const all = [...document.querySelectorAll("body *:not(script):not(svg *):not(noscript)")];
  const own = (element) => [...element.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
  return all.filter(own).map((element) => ({
    text: element.textContent.trim().slice(0, 40),
    colour: getComputedStyle(element).color,
    ground: ground(element),
  }));
};

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM,
  args: ["--no-sandbox", "--disable-gpu"],
});
try {
  for (const colorScheme of ["light", "dark"]) {
    for (const width of [1100, 375]) {
      const name = `${colorScheme}, ${width} px`;
      const context = await browser.newContext({ colorScheme, viewport: { width, height: 900 } });
      const page = await context.newPage();
      page.on("console", (said) => check(said.type() !== "error", `${name}: console: ${said.text()}`));
      page.on("pageerror", (error) => wrong.push(`${name}: script: ${error}`));
      page.on("requestfailed", (it) => wrong.push(`${name}: ${it.url()} did not load`));
      page.on("request", (it) => check(it.url().startsWith(url), `${name}: asks ${it.url()}`));
      await page.goto(url);
      const body = await page.innerText("body");
      for (const word of words) {
        check(body.includes(word), `${name}: it does not say "${word}" but ${body.slice(0, 400)}`);
      }
      const wide = await page.evaluate(() => document.documentElement.scrollWidth);
      check(wide <= width, `${name}: it is ${wide} px wide`);
      for (const { text, colour, ground } of await page.evaluate(texts)) {
        const found = contrast(colour, ground);
        check(found >= 4.5, `${name}: "${text}" has a contrast of ${found.toFixed(2)}`);
      }
      const unnamed = await page.$$eval("svg, meter", (all) =>
        all.filter((it) => !it.getAttribute("aria-label")).length);
      check(unnamed === 0, `${name}: ${unnamed} drawings have no name`);
      const untold = await page.$$eval("svg.strip rect", (all) =>
        all.filter((it) => !/UTC: /.test(it.textContent)).length);
      check(untold === 0, `${name}: ${untold} cells have no tooltip`);
      check(await page.getAttribute("html", "lang") === "en", `${name}: no language`);
      check(await page.locator("h1").count() === 1, `${name}: not one first heading`);
      await page.keyboard.press("Tab");
      const first = await page.evaluate(() => document.activeElement.textContent);
      check(first === "Skip to the content", `${name}: Tab goes to "${first}" first`);
      const before = await page.locator("header .when").elementHandle();
      if (width === 1100) {
        // The script replaces the parts of the page, so that the old ones leave the document.
        await page.waitForFunction((it) => !it.isConnected, before, { timeout: 20000 })
          .catch(() => wrong.push(`${name}: it does not refresh itself`));
        await page.evaluate(() => document.activeElement.blur());
        const path = `${picture}-${colorScheme}.png`;
        await page.screenshot({ path, fullPage: true });
      }
      await context.close();
    }
  }
  const plain = await browser.newContext({ javaScriptEnabled: false });
  const page = await plain.newPage();
  await page.goto(url);
  const text = await page.content();
  check(/http-equiv="refresh"/.test(text), "without a script: it does not refresh itself");
  const body = await page.innerText("body");
  for (const word of words) check(body.includes(word), `without a script: no "${word}"`);
} finally {
  await browser.close();
}
wrong.forEach((what) => console.log(what));
