// A real browser goes through both launches of examples/smart-app, and tells what it saw as JSON.
import { chromium } from 'playwright-core';

const { ORIGIN, APP, SHOTS } = process.env;
const flags = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync'];
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: flags });
const people = (await (await fetch(`${ORIGIN}/sandbox.json`)).json()).people;
const sizes = { phone: { width: 390, height: 844 }, desk: { width: 1440, height: 900 } };

// The code last sent to anybody; it is on its way for a moment.
async function lastCode() {
  for (let tries = 0; tries < 50; tries += 1) {
    const sent = await (await fetch(`${ORIGIN}/sandbox/outbox.json`)).json();
    const codes = sent.filter((each) => each.code).sort((one, other) => (one.sent < other.sent ? -1 : 1));
    if (codes.length) return codes.at(-1).code;
    await new Promise((done) => { setTimeout(done, 100); });
  }
  throw new Error('no code was sent');
}

// Fill in what each page asks for, until the app is shown again.
async function signedIn(page, login, path) {
  const person = people.find((each) => each.login === login);
  for (let pages = 0; pages < 12 && !page.url().startsWith(APP); pages += 1) {
    path.push(new URL(page.url()).pathname);
    const form = page.locator('form').first();
    const who = form.locator(`button[value=${person.profession ? 'professional' : 'person'}]`);
    for (const field of await form.locator('input[required]:not([type=radio]):not([type=checkbox])').all()) {
      const [type, autocomplete] = [await field.getAttribute('type'), await field.getAttribute('autocomplete')];
      if (type === 'password') await field.fill(person.password);
      else await field.fill(autocomplete === 'one-time-code' ? await lastCode() : login);
    }
    const button = (await who.count()) ? who : form.locator('button[type=submit]').first();
    await Promise.all([page.waitForEvent('framenavigated'), button.press('Enter')]);
    await page.waitForLoadState();
  }
}

async function launched(name, size, login, open) {
  const context = await browser.newContext({ viewport: sizes[size], locale: 'fr-FR' });
  const page = await context.newPage();
  const [faults, path] = [[], []];
  page.on('console', (message) => message.type() === 'error' && faults.push(message.text()));
  page.on('pageerror', (error) => faults.push(String(error)));
  await open(page);
  await page.waitForURL(`${ORIGIN}/**`);
  await signedIn(page, login, path);
  await page.waitForSelector('#foot:not([hidden])', { timeout: 30000 });
  const sections = await page.$$eval('#history section', (found) => Object.fromEntries(found.map((each) =>
    [each.querySelector('h2').textContent, [...each.querySelectorAll('li')].map((line) => line.querySelector('span').textContent)])));
  await page.screenshot({ path: `${SHOTS}/smart-app-${name}-${sizes[size].width}.png`, fullPage: true });
  const opened = page.waitForEvent('popup');
  await page.locator('#history li button').first().click();
  const popup = await opened;
  const seen = {
    path, sections, faults,
    who: await page.textContent('#who'), patient: await page.textContent('#name'), document: popup.url().slice(0, 5),
    token: await page.evaluate(() => JSON.parse(sessionStorage.getItem(JSON.parse(sessionStorage.getItem('SMART_KEY')))).tokenResponse),
    overflows: await page.evaluate((width) => document.documentElement.scrollWidth > width, sizes[size].width),
  };
  await context.close();
  return seen;
}

const standalone = (page) => page.goto(`${APP}?server=${encodeURIComponent(`${ORIGIN}/fhir`)}`).then(() => page.click('#start button'));
async function fromAnEhr(page) {
  const asked = { as: 'dr-moreau', client_id: 'history-app', patient: 'paul-martin' };
  const made = await fetch(`${ORIGIN}/sandbox/launch`, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(asked) });
  await page.goto(`${APP}launch.html?${new URLSearchParams(await made.json())}`);
}

try {
  console.log(JSON.stringify({
    holder: await launched('holder', 'phone', 'paul', standalone),
    doctor: await launched('doctor', 'desk', 'dr-moreau', fromAnEhr),
  }));
} finally {
  await browser.close();
}
