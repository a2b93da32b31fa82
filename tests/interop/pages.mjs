// A real browser walks through every page of the sign-in, as a holder and as a professional, keeps a picture of each at the
// width of a phone and of a desk, has axe-core judge it, and tells what it saw as JSON. Forms are filled by their labels.
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { chromium } from 'playwright-core';

const { ORIGIN, SHOTS, HOLDER, PROFESSIONAL, NUMBER, MAIL } = process.env;
const axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const flags = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync'];
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: flags });
const WIDTHS = [[390, 844], [1440, 900]];
const seen = {};

async function begin() {
  // without scripts of its own a page must work all the same; what axe needs is put in from outside
  const context = await browser.newContext({ locale: 'fr-FR', reducedMotion: 'reduce' });
  const page = await context.newPage();
  page.faults = [];
  page.on('console', (message) => message.type() === 'error' && page.faults.push(message.text()));
  page.on('pageerror', (error) => page.faults.push(String(error)));
  return page;
}

async function look(page, name) {
  // a browser says on its console what status it was given; that a refusal has one is no fault of the page
  const faults = page.faults.splice(0).filter((each) => !/status of 4\d\d/.test(each));
  const told = { path: new URL(page.url()).pathname, title: await page.title(), faults, violations: [], overflows: [] };
  for (const [width, height] of WIDTHS) {
    await page.setViewportSize({ width, height });
    const wide = await page.evaluate(() => document.documentElement.scrollWidth);
    if (wide > width) told.overflows.push(`${width}: ${wide}`);
    await page.screenshot({ path: `${SHOTS}/${name}-${width}.png`, fullPage: true });
    await page.evaluate(axe);
    const judged = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ['violations'] }));
    told.violations.push(...judged.violations.map((each) => `${width}: ${each.id} ${each.nodes[0].html}`));
  }
  // every control is reached by the keyboard alone, and shows that it was
  const unreached = await page.evaluate(() => [...document.querySelectorAll('a, button, input:not([type=hidden])')]
    .filter((each) => each.tabIndex < 0).map((each) => each.outerHTML));
  told.scripts = await page.evaluate(() => document.scripts.length);
  seen[name] = { ...told, unreached };
}

const fill = async (page, filled) => {
  for (const [name, value] of Object.entries(filled)) await page.fill(`[name="${name}"]`, value);
};
const submit = async (page, filled = {}, button = 'main form button[type=submit]') => {
  await fill(page, filled);
  await Promise.all([page.waitForEvent('load'), page.click(button)]);
};
const follow = (page, path) => Promise.all([page.waitForEvent('load'), page.click(`main a[href^="${path}"]`)]);
async function code(to, subject) {
  for (let tries = 0; tries < 50; tries++) {
    const sent = await (await fetch(`${ORIGIN}/sandbox/outbox.json?to=${encodeURIComponent(to)}`)).json();
    const found = sent.find((each) => each.code && (!subject || each.subject.includes(subject)));
    if (found) return found.code;
    await new Promise((soon) => setTimeout(soon, 100));
  }
  throw new Error(`no code for ${to}`);
}

// a holder who comes by identifiers, and signs in to an app with them for the first time
let page = await begin();
await page.goto(HOLDER);
await look(page, 'who');
await submit(page, {}, 'button[value=person]');
await look(page, 'password');
await follow(page, '/auth/opening');
await look(page, 'opening');
await submit(page, { number: '1', code: 'x', contact: 'x' });
await look(page, 'opening-refused');
await follow(page, '/auth/creation-code');
await look(page, 'creation-code');
await submit(page, { number: NUMBER });
await look(page, 'creation-code-sent');
const creation = await code(MAIL, 'création');
await follow(page, '/auth/opening');
await submit(page, { number: NUMBER, code: creation, contact: MAIL });
await look(page, 'identifiers');
const [identifier, initial] = await page.$$eval('dd code', (all) => all.map((each) => each.textContent));
const [pdf] = await Promise.all([page.waitForEvent('download'), page.click('main form button')]);
seen.pdf = { name: pdf.suggestedFilename() };
await follow(page, '/auth/password');
await submit(page, { identifier, password: initial });
await look(page, 'new-password');
await submit(page, { password: 'un mot bien à moi', again: 'un mot bien à moi' });
await look(page, 'code');
await submit(page, { code: '000000' });
await look(page, 'code-refused');
await submit(page, { code: await code(MAIL, "d'accès") });
seen.first = { path: new URL(page.url()).pathname };
await page.goto(`${ORIGIN}/auth/authenticator`);
await look(page, 'authenticator');
await submit(page, { code: '000000' });
await look(page, 'authenticator-refused');

// the same, who forgot both
page = await begin();
await page.goto(`${ORIGIN}/auth/password`);
await follow(page, '/auth/forgotten-identifier');
await look(page, 'forgotten-identifier');
await submit(page, { number: NUMBER, contact: MAIL });
await look(page, 'forgotten-identifier-sent');
await page.goto(`${ORIGIN}/auth/password`);
await follow(page, '/auth/forgotten-password');
await look(page, 'forgotten-password');
await submit(page, { identifier, number: NUMBER });
await look(page, 'recovery-code');
await submit(page, { code: await code(MAIL, 'mot de passe') });
await look(page, 'recovered-password');
await submit(page, { password: 'un mot encore à moi', again: 'un mot encore à moi' });
await look(page, 'password-changed');

// a holder whose record is open allows an app
page = await begin();
await page.goto(HOLDER);
await submit(page, {}, 'button[value=person]');
await submit(page, { identifier: 'paul', password: 'faux' });
await look(page, 'password-refused');
await submit(page, { identifier: 'paul', password: process.env.PASSWORD });
await submit(page, { code: await code(process.env.PAUL) });
await look(page, 'approve');
await page.goto(`${ORIGIN}/auth/sign-in`);
await look(page, 'done');
await page.goto(`${ORIGIN}/auth/onward?r=unknown`);
await look(page, 'error');

// a professional, in normal mode and in an emergency
page = await begin();
await page.goto(PROFESSIONAL);
await submit(page, {}, 'button[value=professional]');
await look(page, 'professional');
await submit(page, { login: 'dr-roux', password: 'dr-roux-demo' });
await look(page, 'mode');
await page.check('[value=BTG]');
await submit(page);
await look(page, 'mode-refused');
await page.check('[value=BTG]');
await submit(page, { reason: 'patient inconscient' });
await look(page, 'patient');
await submit(page, { ins: '1' });
await look(page, 'patient-refused');
await submit(page, { ins: process.env.INS });
await look(page, 'approve-emergency');

// and in normal mode, who picks a patient by name
page = await begin();
await page.goto(PROFESSIONAL);
await submit(page, {}, 'button[value=professional]');
await submit(page, { login: 'dr-moreau', password: 'dr-moreau-demo' });
await submit(page);
await look(page, 'patient-picker');
await page.fill('[name=name]', 'martin');
await Promise.all([page.waitForEvent('load'), page.press('[name=name]', 'Enter')]);
await look(page, 'patient-found');

await browser.close();
console.log(JSON.stringify(seen));
