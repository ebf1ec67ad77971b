import { expect, test } from '@jest/globals';
import { higherRole, isRole, leastRole, PERMISSIONS, roleAllows, ROLES } from './roles.js';

test('each role may do all that the roles before it may', () => {
  const allowed = ROLES.map((role) => PERMISSIONS.filter((permission) => roleAllows(role, permission)));
  for (let i = 1; i < allowed.length; i += 1) expect(allowed[i]).toEqual(expect.arrayContaining(allowed[i - 1] ?? []));
  expect(allowed.at(-1)).toEqual(PERMISSIONS);
});

test('a viewer sees and changes nothing, an analyst asks, a responder labels and acts, an admin revokes', () => {
  const firstWho = (permission: (typeof PERMISSIONS)[number]) => ROLES.find((role) => roleAllows(role, permission));
  expect(Object.fromEntries(PERMISSIONS.map((permission) => [permission, firstWho(permission)]))).toEqual({
    'tables:read': 'viewer',
    'agents:read': 'viewer',
    'queries:read': 'viewer',
    'queries:run': 'analyst',
    'queries:cancel': 'analyst',
    'questions:read': 'viewer',
    'questions:write': 'analyst',
    'packs:apply': 'admin',
    'feeds:manage': 'admin',
    'commands:read': 'viewer',
    'commands:run': 'responder',
    'commands:cancel': 'responder',
    'commands:approve': 'responder',
    'agents:label': 'responder',
    'agents:mode': 'responder',
    'agents:revoke': 'admin',
    'tokens:manage': 'admin',
    'webhooks:manage': 'admin',
    'audit:read': 'admin',
    'system:read': 'admin',
  });
  expect(PERMISSIONS.map(leastRole)).toEqual(PERMISSIONS.map(firstWho));
});

test('only the four roles are roles', () => {
  expect(['viewer', 'admin', 'root', '', 'constructor'].map(isRole)).toEqual([true, true, false, false, false]);
  expect([higherRole('viewer', 'admin'), higherRole('responder', 'analyst')]).toEqual(['admin', 'responder']);
});
