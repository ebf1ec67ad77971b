import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from '@jest/globals';
import { isAlert } from './build/rule.js';
import { RULE_GROUPS } from './rules/index.js';

const FOLDER = fileURLToPath(new URL('../prometheus/', import.meta.url));
const NAMES = RULE_GROUPS.map(({ name }) => name);
const ALERTS = RULE_GROUPS.flatMap(({ rules }) => rules.filter(isAlert));
const operations = readFileSync(new URL('../../../docs/operations.md', import.meta.url), 'utf8');

/** `npm test` installs it. */
function run(...args: string[]): { status: number | null; output: string } {
  const { status, stdout, stderr } = spawnSync('promtool', args, { encoding: 'utf8' });
  return { status, output: status === 0 ? '' : stdout + stderr };
}

describe('rules', () => {
  test('promtool finds no fault in them', () => {
    const paths = NAMES.map((name) => `${FOLDER}rules/${name}.yaml`);
    expect(run('check', 'rules', ...paths)).toEqual({ status: 0, output: '' });
  });

  test.each(NAMES)(
    'each alert of %s fires in its case, and is quiet just below',
    (name) => {
      expect(run('test', 'rules', `${FOLDER}tests/${name}.yaml`)).toEqual({ status: 0, output: '' });
    },
    180_000,
  );

  test.each(
    ALERTS.map(
      (rule) =>
        [
          `${rule.alert} (${rule.severity}${rule.labels ? `, ${Object.values(rule.labels).join(', ')}` : ''})`,
          rule,
        ] as const,
    ),
  )('%s has a summary without values and a description with them', (_name, { alert, summary, description }) => {
    expect(alert).toMatch(/^Muster([A-Z][a-z]+)+$/);
    expect(summary).toMatch(/^[A-Z][^{}\n]*\.$/);
    expect(description).toMatch(/\{\{ \$(value|labels)/);
  });
});

describe('the runbook', () => {
  const [, part = ''] = operations.split('\n## Alerts\n');
  const sections = new Map(
    part
      .split('\n## ', 1)[0]!
      .split('\n### ')
      .slice(1)
      .map((section) => [section.split('\n', 1)[0]!, section] as const),
  );

  test('has a section for each alert, and for no others', () => {
    expect([...sections.keys()].sort()).toEqual([...new Set(ALERTS.map(({ alert }) => alert))].sort());
  });

  test.each([...sections])(
    'says of %s what it means, whom it hurts, where to look and what to do',
    (_name, section) => {
      const parts = [...section.matchAll(/^- \*\*(\w+):\*\* (.{10,})$/gm)].map(([, name]) => name);
      expect(parts).toEqual(['Meaning', 'Impact', 'Diagnosis', 'Mitigation']);
    },
  );

  test('names no alert that does not exist', () => {
    const named = new Set(part.match(/\bMuster[A-Z]\w+/g));
    expect([...named].filter((name) => !sections.has(name))).toEqual([]);
  });
});
