// FinFlow in Chromium, with JavaScript on and off: the journey of a new user, without a console error, a CSP
// violation or a failed request. Screenshots go to PANDO_SCREENSHOTS if it is set.
import { spawn } from 'node:child_process';
import { mkdtempSync, mkdirSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import assert from 'node:assert/strict';
import { chromium } from 'playwright-core';

const build = process.env.PANDO_BUILD ?? 'build';
const shots = process.env.PANDO_SCREENSHOTS;
if (shots) mkdirSync(shots, { recursive: true });

const freePort = () => new Promise(resolve => {
    const s = createServer().listen(0, '127.0.0.1', () => {
        const { port } = s.address();
        s.close(() => resolve(port));
    });
});

async function startFinflow() {
    const dir = mkdtempSync(path.join(tmpdir(), 'finflow-'));
    const port = await freePort();
    const process_ = spawn(path.resolve(build, 'finflow/finflow'), ['serve'], {
        cwd: dir,
        env: { PATH: process.env.PATH, PANDO_ENV: 'test', PORT: String(port), DATABASE_URL: `sqlite:${dir}/finflow.db` },
        stdio: ['ignore', 'inherit', 'inherit'],
    });
    const url = `http://127.0.0.1:${port}`;
    for (let i = 0; i < 300; i++) {
        try {
            if ((await fetch(url + '/readyz')).ok) return { url, dir, process: process_ };
        } catch { /* not listening yet */ }
        await new Promise(r => setTimeout(r, 50));
    }
    throw new Error('finflow did not start');
}

// A page that fails the test on anything the browser complains about.
async function newPage(browser, options) {
    const context = await browser.newContext({ viewport: { width: 1200, height: 850 }, ...options });
    const page = await context.newPage();
    const complaints = [];
    page.on('console', m => { if (['error', 'warning'].includes(m.type())) complaints.push(m.text()); });
    page.on('pageerror', e => complaints.push(String(e)));
    page.on('requestfailed', r => {
        if (r.failure()?.errorText !== 'net::ERR_ABORTED') complaints.push(`${r.url()}: ${r.failure()?.errorText}`);
    });
    page.on('response', r => { if (r.status() >= 500) complaints.push(`${r.status()} ${r.url()}`); });
    return { context, page, complaints };
}

async function shoot(page, name) {
    if (shots) await page.screenshot({ path: path.join(shots, `${name}.png`), fullPage: true });
}

async function addAccount(page, url, name, kind) {
    await page.goto(url + '/accounts/new');
    await page.fill('[name=name]', name);
    await page.selectOption('[name=currency]', 'EUR');
    await page.selectOption('[name=kind]', kind).catch(() => page.check(`[name=kind][value=${kind}]`));
    await page.click('main form button[type=submit]');
    await page.waitForURL(/\/accounts(\/\d+)?$/);
}

async function journey(browser, url, label, options) {
    const { context, page, complaints } = await newPage(browser, options);
    const email = `${label}-${Date.now()}@example.com`;
    await page.goto(url + '/');
    await shoot(page, `${label}-landing`);

    await page.goto(url + '/signup');
    await page.fill('[name=email]', email);
    await page.fill('[name=name]', 'Ada Lovelace');
    await page.fill('[name=password]', 'correct horse battery');
    await shoot(page, `${label}-signup`);
    await page.click('main form button[type=submit]');
    await page.waitForURL(/\/dashboard$/);
    await shoot(page, `${label}-dashboard-empty`);

    await addAccount(page, url, 'Current account', 'checking');
    await addAccount(page, url, 'Savings', 'savings');
    await page.goto(url + '/accounts');
    await shoot(page, `${label}-accounts`);

    await page.click('main a:has-text("Current account")');
    await page.waitForURL(/\/accounts\/\d+$/);
    await page.goto(page.url() + '/deposit');
    await page.fill('[name=amount]', '1250.00');
    await page.fill('[name=memo]', 'Salary & bonus <script>alert(1)</script>');
    await page.click('main form button[type=submit]');
    await page.waitForURL(/\/accounts\/\d+$/);
    assert.match(await page.textContent('main'), /1,250\.00/);
    await shoot(page, `${label}-account`);

    await page.goto(url + '/transfers/new');
    await page.selectOption('[name=from]', { label: await optionWith(page, 'from', 'Current account') });
    await page.selectOption('[name=to]', { label: await optionWith(page, 'to', 'Savings') });
    await page.fill('[name=amount]', '200.50');
    await page.fill('[name=memo]', 'Put aside');
    await shoot(page, `${label}-transfer`);
    await page.click('main form button[type=submit]');
    await page.waitForLoadState();
    await shoot(page, `${label}-transfer-confirm`);
    await page.click('main form button[type=submit]:not([name=back]):not([value=back])');
    await page.waitForURL(/\/transfers\/[0-9a-f-]{36}$/);
    assert.match(await page.textContent('main'), /200\.50/);
    await shoot(page, `${label}-transfer-receipt`);

    await page.goto(url + '/transactions');
    const list = await page.textContent('main');
    assert.match(list, /Put aside/);
    assert.match(list, /Salary & bonus <script>/);
    await shoot(page, `${label}-transactions`);

    await page.goto(url + '/categories');
    await page.fill('[name=name]', 'Groceries');
    await page.click('main form:has([name=name]) button[type=submit]');
    await page.waitForLoadState();
    assert.match(await page.textContent('main'), /Groceries/);

    await page.goto(url + '/reports');
    assert.match(await page.textContent('main'), /1,250\.00/);
    await shoot(page, `${label}-report`);
    await page.goto(url + '/dashboard');
    assert.match(await page.textContent('main'), /1,049\.50/);
    await shoot(page, `${label}-dashboard`);

    await page.goto(url + '/nothing-here');
    await shoot(page, `${label}-404`);
    complaints.splice(0, complaints.length, ...complaints.filter(c => !c.includes('404')));

    await page.goto(url + '/dashboard');
    await page.click('form[action="/logout"] button');
    await page.waitForLoadState();
    await page.goto(url + '/dashboard');
    assert.match(page.url(), /\/login/);
    assert.deepEqual(complaints, []);
    await context.close();
    console.log(`journey ${label}: passed`);
}

async function optionWith(page, name, text) {
    const labels = await page.$$eval(`[name=${name}] option`, options => options.map(o => o.label));
    const found = labels.find(l => l.includes(text));
    assert.ok(found, `no option with "${text}" in ${name}: ${labels}`);
    return found;
}

async function wrongInput(browser, url) {
    const { context, page, complaints } = await newPage(browser, { javaScriptEnabled: false });
    await page.goto(url + '/signup');
    await page.$$eval('input', () => {}).catch(() => {});
    const answer = await context.request.post(url + '/signup', {
        form: { email: 'nobody', name: '', password: 'short' }, headers: { Accept: 'text/html', Origin: url },
    });
    assert.equal(answer.status(), 422);
    const html = await answer.text();
    assert.match(html, /aria-invalid/);
    assert.match(html, /value="nobody"/);
    assert.doesNotMatch(html, /value="short"/);
    await page.goto(url + '/login');
    await page.fill('[name=email]', 'nobody@example.com');
    await page.fill('[name=password]', 'wrong wrong wrong');
    await page.click('main form button[type=submit]');
    assert.match(await page.textContent('main'), /not (match|correct|right|recogni)|wrong|incorrect/i);
    complaints.splice(0, complaints.length, ...complaints.filter(c => !/40[13]|422/.test(c)));
    assert.deepEqual(complaints, []);
    await context.close();
    console.log('wrong input: passed');
}

const finflow = await startFinflow();
const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
        '--disable-component-update', '--disable-sync'],
});
let failed = 0;
const tests = [
    () => journey(browser, finflow.url, 'js', { colorScheme: 'light' }),
    () => journey(browser, finflow.url, 'nojs', { javaScriptEnabled: false, colorScheme: 'dark' }),
    () => journey(browser, finflow.url, 'phone', { viewport: { width: 390, height: 800 } }),
    () => wrongInput(browser, finflow.url),
];
for (const test of tests) {
    try {
        await test();
    } catch (e) {
        failed++;
        console.error(e);
    }
}
await browser.close();
finflow.process.kill('SIGTERM');
rmSync(finflow.dir, { recursive: true, force: true });
console.log(`browser: ${tests.length - failed} passed, ${failed} failed`);
process.exit(failed ? 1 : 0);
