// `pando dev` in Chromium: a saved file is on the page without a reload by hand, an error of the build lies over it and
// goes again, a crash is a page. PANDO_SCREENSHOTS names a folder for pictures.
import { spawn, execFileSync } from 'node:child_process';
import { mkdtempSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import assert from 'node:assert/strict';
import { chromium } from 'playwright-core';

const pando = path.resolve(process.env.PANDO_BUILD ?? 'build', 'src/cli/pando');
const shots = process.env.PANDO_SCREENSHOTS;
if (shots) mkdirSync(shots, { recursive: true });
const patience = { timeout: 60000 };

const freePort = () => new Promise(resolve => {
    const s = createServer().listen(0, '127.0.0.1', () => {
        const { port } = s.address();
        s.close(() => resolve(port));
    });
});

function edit(file, from, to) { // as editors do: a new file that takes the old one's name
    const text = readFileSync(file, 'utf8');
    assert.ok(text.includes(from), `${from} is in ${file}`);
    writeFileSync(`${file}.tmp`, text.replace(from, to));
    renameSync(`${file}.tmp`, file);
}

async function startDev(dir) {
    execFileSync(pando, ['new', 'shop'], { cwd: dir });
    const port = await freePort();
    const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('PANDO')));
    const dev = spawn(pando, ['dev', '--port', String(port)], { cwd: path.join(dir, 'shop'), env, stdio: ['ignore', 'ignore', 'pipe'] });
    let log = '';
    dev.stderr.on('data', d => { log += d; });
    return { dev, url: `http://127.0.0.1:${port}`, log: () => log };
}

async function shoot(page, name) {
    if (shots) await page.screenshot({ path: path.join(shots, `${name}.png`) });
}

async function journey(page, url, app) {
    const home = path.join(app, 'modules/site/templates/home.html');
    const site = path.join(app, 'modules/site/site.c');
    await page.goto(url, patience); // waits for the first build
    await page.evaluate(() => { document.body.style.minHeight = '4000px'; scrollTo(0, 300); });

    edit(home, ' is running</h1>', ' is reloaded</h1>');
    await page.waitForSelector('h1:has-text("is reloaded")', patience);

    edit(site, 'return site_home_render(c, 200, &view);', 'return site_home_render(c, 200, &view)');
    const overlay = page.locator('[role=alertdialog]');
    await overlay.waitFor(patience);
    assert.match(await overlay.innerText(), /modules\/site\/site\.c:\d+.*expected/s);
    assert.ok(await page.locator('h1:has-text("is reloaded")').isVisible(), 'the last good page is behind it');
    await shoot(page, 'dev-overlay');
    await page.keyboard.press('Escape');
    await overlay.waitFor({ state: 'detached' });

    edit(site, 'return site_home_render(c, 200, &view)\n', 'return NULL_pointer(c);\n');
    await overlay.waitFor(patience); // another error: it is there again
    edit(site, 'return NULL_pointer(c);', '*(volatile int *)0 = 1;\n    return site_home_render(c, 200, &view);');
    await page.waitForSelector('h1:has-text("The program crashed")', patience);
    assert.match(await page.locator('main').innerText(), /site\.c:\d+/);
    await shoot(page, 'dev-crash');

    edit(site, '*(volatile int *)0 = 1;\n    ', '');
    await page.waitForSelector('h1:has-text("is reloaded")', patience);
    assert.equal(await overlay.count(), 0);
}

const dir = mkdtempSync(path.join(tmpdir(), 'pando-dev-'));
const { dev, url, log } = await startDev(dir);
const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] });
try {
    const page = await browser.newPage();
    const complaints = [];
    page.on('console', m => { if (/Content Security Policy/.test(m.text())) complaints.push(m.text()); });
    page.on('pageerror', e => complaints.push(String(e)));
    await journey(page, url, path.join(dir, 'shop'));
    assert.deepEqual(complaints, []);
    console.log('pando dev: a save, an error and a crash in the page');
} catch (e) {
    console.error(log());
    throw e;
} finally {
    await browser.close();
    dev.kill('SIGINT');
    await new Promise(r => dev.once('exit', r));
    rmSync(dir, { recursive: true });
}
