// A real browser opens the documentation at the width of a phone and of a desk, and tells what it saw as JSON.
import { chromium } from 'playwright-core';

const { ORIGIN, SHOTS } = process.env;
const flags = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync'];
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: flags });
const seen = {};
for (const [name, width, height] of [['phone', 390, 844], ['desk', 1280, 900]]) {
  const page = await browser.newPage({ viewport: { width, height } });
  const faults = [];
  const asked = new Set();
  page.on('console', (message) => message.type() === 'error' && faults.push(message.text()));
  page.on('pageerror', (error) => faults.push(String(error)));
  page.on('request', (request) => asked.add(new URL(request.url()).origin));
  await page.goto(`${ORIGIN}/docs`);
  await page.waitForSelector('.opblock');
  await page.screenshot({ path: `${SHOTS}/${name}.png` });
  await page.click('#operations-FHIR-get_fhir_metadata button');
  await page.click('.try-out__btn');
  await page.click('.execute');
  await page.waitForSelector('.live-responses-table .response .response-col_status');
  const status = (await page.textContent('.live-responses-table .response .response-col_status')).trim();
  await page.screenshot({ path: `${SHOTS}/${name}-opened.png` });
  const [wide, operations] = await page.evaluate(() => [document.documentElement.scrollWidth,
    document.querySelectorAll('.opblock').length]);
  seen[name] = { faults, asked: [...asked].filter((origin) => origin !== 'null'), status, operations, overflows: wide > width };
  await page.close();
}
await browser.close();
console.log(JSON.stringify(seen));
