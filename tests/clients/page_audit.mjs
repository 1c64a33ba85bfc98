// What a browser makes of a page: `node page_audit.mjs CHROMIUM URL light|dark WIDTH SCREENSHOT`.
// Prints JSON: axe-core's violations, what the page asked the network for, what it logged, how wide it came out.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import puppeteer from 'puppeteer-core';

const [executablePath, url, scheme, width, screenshot] = process.argv.slice(2);
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

const browser = await puppeteer.launch({
  executablePath,
  headless: true,
  args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--disable-background-networking', '--no-first-run'],
});
try {
  const page = await browser.newPage();
  const requests = [];
  const logged = [];
  page.on('request', (request) => requests.push(request.url()));
  page.on('console', (message) => logged.push(message.text()));
  page.on('pageerror', (error) => logged.push(String(error)));
  await page.setViewport({ width: Number(width), height: 900 });
  await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: scheme }]);
  const response = await page.goto(url, { waitUntil: 'networkidle0' });
  await page.screenshot({ path: screenshot, fullPage: true });
  const title = await page.title();
  // The page itself may run no script; this one comes from the debugger, which its policy does not bind.
  await page.evaluate(axe);
  const found = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ['violations', 'incomplete'] }));
  const summary = (results) => results.map((one) => ({
    id: one.id,
    impact: one.impact,
    nodes: one.nodes.map((node) => node.html.slice(0, 200)),
  }));
  const layout = await page.evaluate(() => ({
    background: getComputedStyle(document.body).backgroundColor,
    color: getComputedStyle(document.body).color,
    overflows: document.documentElement.scrollWidth > document.documentElement.clientWidth,
    bars: [...document.querySelectorAll('svg rect.legacy')].filter((bar) => bar.getBBox().height > 0).length,
  }));
  console.log(JSON.stringify({
    status: response.status(),
    title,
    violations: summary(found.violations),
    incomplete: summary(found.incomplete),
    passes: found.passes.length,
    requests,
    logged,
    ...layout,
  }));
} finally {
  await browser.close();
}
