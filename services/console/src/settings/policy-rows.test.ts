import { expect, test } from '@jest/globals';
import { policyRows } from './policy-rows.js';

test('each rule of a policy is one line in words', () => {
  const rows = policyRows({
    reauthentication: [{ actions: ['destructive'], operations: ['token.*'], maxAgeMs: 900_000 }],
    sensitiveTables: [
      { sensitivity: 'secret', role: 'nobody' },
      { sensitivity: 'personal', role: 'admin' },
    ],
    queryBudgets: [{ role: 'viewer', maxMs: 10_000 }],
    commands: {
      limits: [{ role: 'responder', maxTargets: 1_000 }],
      approval: [
        { actions: ['host.*'], minTargets: 2, selector: 'env=prod', role: 'admin', independent: true },
        { role: 'responder' },
      ],
      packs: {},
    },
  });
  expect(rows.map(({ policy, of, asks }) => `${policy}: ${of}: ${asks}`)).toEqual([
    'approval: host.* on 2 targets or more where any has env=prod: by another admin, whose credentials nobody made who made those of the first',
    'approval: every action: by another responder or higher',
    'approval: every pack of checks: by another admin',
    'limit of targets: a command of responders: at most 1,000 targets',
    'recent sign-in: actions destructive; changes token.*: at the console, not more than 15 min ago',
    'sensitive tables: those with secret data: nobody may ask them',
    'sensitive tables: those with personal data: admin',
    'time of a query: of viewers: at most 10 s on one endpoint',
  ]);
});

test('where no command service answers, nothing is said of its policy', () => {
  expect(policyRows({ reauthentication: [], sensitiveTables: [], queryBudgets: [], commands: null })).toEqual([]);
});
