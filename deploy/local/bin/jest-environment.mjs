/**
 * Jest's environment of Node that also counts the processor time of each test file, that of its processes included, into the package's
 * `.jest/processor.ndjson`: a line `["dist/x.test.js", 12.3]` for each file, in seconds. Nothing where there is no `/proc`.
 */
import { appendFileSync, mkdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { TestEnvironment } from 'jest-environment-node';

/** Clock ticks of `/proc` in a second, on every Linux. */
const TICKS = 100;

export default class CountingEnvironment extends TestEnvironment {
  #root;
  #file;
  #before;

  constructor(config, context) {
    super(config, context);
    this.#root = config.projectConfig.rootDir;
    this.#file = relative(this.#root, context.testPath);
  }

  async setup() {
    this.#before = processorSeconds();
    await super.setup();
  }

  async teardown() {
    await super.teardown();
    if (this.#before === undefined) return;
    const took = Math.round((processorSeconds() - this.#before) * 10) / 10;
    mkdirSync(join(this.#root, '.jest'), { recursive: true });
    appendFileSync(join(this.#root, '.jest/processor.ndjson'), `${JSON.stringify([this.#file, took])}\n`);
  }
}

/** Of this process and of those of its children that have ended (proc(5), `utime`, `stime`, `cutime`, `cstime`). */
function processorSeconds() {
  try {
    const stat = readFileSync('/proc/self/stat', 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks), 0) / TICKS;
  } catch {
    return undefined;
  }
}
