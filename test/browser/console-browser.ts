import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { chromium, type Browser, type BrowserContext, type Page } from 'playwright-core';
import type { Harness } from '../kit/harness.js';

const EXECUTABLE = process.env['MUSTER_TEST_CHROMIUM'] ?? '/usr/bin/chromium';
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
/** How long one step may take: machines that run tests are busy, and a step that fails must not cost a minute. */
export const PATIENCE_MS = 20_000;

/** Every page of the console that has an address of its own. */
export const PAGES = ['/ask', '/fleet', '/scans', '/hunts', '/commands', '/bandwidth', '/audit', '/settings'] as const;

/** The stack and the browser of a test file, which its parts share. */
export interface Parts {
  readonly harness: Harness;
  readonly browser: ConsoleBrowser;
}

export interface Looks {
  readonly theme?: 'light' | 'dark';
  readonly width?: number;
}

export function launchChromium(): Promise<Browser> {
  const args = ['--no-sandbox', '--disable-gpu', '--disable-background-networking'];
  return chromium.launch({ executablePath: EXECUTABLE, args });
}

/** A real Chromium on the real console. */
export class ConsoleBrowser {
  readonly #browser: Browser;
  readonly #harness: Harness;
  /** What pages complained of: errors of scripts, violations of the Content-Security-Policy. */
  readonly complaints: string[] = [];

  private constructor(browser: Browser, harness: Harness) {
    this.#browser = browser;
    this.#harness = harness;
  }

  static async launch(harness: Harness): Promise<ConsoleBrowser> {
    return new ConsoleBrowser(await launchChromium(), harness);
  }

  async close(): Promise<void> {
    await this.#browser.close();
  }

  /** A browser of its own, signed out. */
  async context({ theme = 'light', width = 1_280 }: Looks = {}): Promise<BrowserContext> {
    const viewport = { width, height: width < 500 ? 844 : 800 };
    const context = await this.#browser.newContext({ viewport, ignoreHTTPSErrors: true, reducedMotion: 'reduce' });
    context.setDefaultTimeout(PATIENCE_MS);
    const preferences = JSON.stringify(JSON.stringify({ theme, timeZone: 'UTC' }));
    await context.addInitScript({ content: `localStorage.setItem('muster.preferences', ${preferences});` });
    return context;
  }

  async page(context: BrowserContext, path: string): Promise<Page> {
    const page = await context.newPage();
    page.on('pageerror', (error) => this.complaints.push(`${path}: ${error.message}`));
    page.on('console', (message) => {
      if (message.type() === 'error' && /Content.Security.Policy/i.test(message.text()))
        this.complaints.push(`${path}: ${message.text()}`);
    });
    await page.goto(this.#harness.stack.apiUrl + path);
    return page;
  }

  /** A page of somebody who has signed in by a token. */
  async signedIn(path: string, looks: Looks = {}, token = this.#harness.stack.token): Promise<Page> {
    const page = await this.page(await this.context(looks), path);
    await signInByToken(page, token);
    return page;
  }
}

export async function signInByToken(page: Page, token: string): Promise<void> {
  await page.getByLabel('Operator token').fill(token);
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
  await page.getByRole('navigation', { name: 'Pages' }).waitFor();
}

/** Writes a statement into the editor and runs it. */
export async function ask(page: Page, sql: string, selector = ''): Promise<void> {
  await page.getByRole('combobox', { name: 'Which endpoints' }).fill(selector);
  await write(page, sql);
  const before = page.url();
  await page.keyboard.press('Control+Enter');
  await page.waitForURL((url) => url.pathname.startsWith('/ask/q') && url.href !== before);
}

/** Replaces what the editor says. */
export async function write(page: Page, sql: string): Promise<void> {
  await page.getByRole('textbox', { name: 'SQL' }).focus();
  await page.keyboard.press('Control+A');
  // Over a selection the browser would put its style into the new text, which the policy blocks and reports.
  await page.keyboard.press('Delete');
  await page.keyboard.insertText(sql);
}

/** The numbers of the ledger by the names of its parts. */
export async function ledger(page: Page): Promise<Record<string, number>> {
  // At one moment: parts come and go while endpoints settle.
  const entries = await page.evaluate<[string, string][]>(
    `[...document.querySelectorAll('[data-ledger]')].map((part) => [part.dataset.ledger, part.querySelector('b').innerText])`,
  );
  return Object.fromEntries(entries.map(([name, count]) => [name, Number(count.replaceAll(',', ''))]));
}

/** Chooses one of the values of a field. */
export async function choose(page: Page, label: RegExp, choice: string): Promise<void> {
  await page.getByRole('button', { name: label }).click();
  await page.getByRole('option', { name: choice, exact: true }).click();
}

/** What axe finds that is serious or worse: everything in the theme of the page, and the contrast in the other one. */
export async function seriousFaults(page: Page): Promise<readonly string[]> {
  // By the debugger's protocol: the page's policy blocks scripts that are put into it.
  if (!(await page.evaluate<boolean>(`'axe' in globalThis`))) await page.evaluate(AXE);
  const own = await page.evaluate<AxeResult>(`axe.run({ resultTypes: ['violations'] })`);
  const other = await page.evaluate<AxeResult>(`(async () => {
    const { dataset } = document.documentElement;
    const theme = dataset.theme;
    dataset.theme = theme === 'dark' ? 'light' : 'dark';
    try {
      return await axe.run({ runOnly: ['color-contrast'], resultTypes: ['violations'] });
    } finally {
      dataset.theme = theme;
    }
  })()`);
  return [...own.violations, ...other.violations]
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(({ id, nodes }) => {
      const places = nodes
        .slice(0, 5)
        .map(({ html, failureSummary = '' }) => `${html.slice(0, 160)} ${failureSummary}`);
      return `${id}: ${places.join(' | ')}`;
    });
}

interface AxeResult {
  readonly violations: readonly {
    readonly id: string;
    readonly impact: string | null;
    readonly nodes: readonly { readonly html: string; readonly failureSummary?: string }[];
  }[];
}
