import type { Role } from '@muster/records';

/** In rising order: each role includes the permissions of those before it. */
export const ROLES = ['viewer', 'analyst', 'responder', 'admin'] as const satisfies readonly Role[];

const LEAST_ROLE = {
  'tables:read': 'viewer',
  'agents:read': 'viewer',
  'queries:read': 'viewer',
  'queries:run': 'analyst',
  'queries:cancel': 'analyst',
  'questions:read': 'viewer',
  'questions:write': 'analyst',
  'commands:read': 'viewer',
  'commands:run': 'responder',
  'commands:cancel': 'responder',
  'commands:approve': 'responder',
  'agents:label': 'responder',
  'agents:mode': 'responder',
  'agents:revoke': 'admin',
  'tokens:manage': 'admin',
  'packs:apply': 'admin',
  'feeds:manage': 'admin',
  'webhooks:manage': 'admin',
  'audit:read': 'admin',
  'system:read': 'admin',
} as const satisfies Readonly<Record<string, Role>>;

export type Permission = keyof typeof LEAST_ROLE;

export const PERMISSIONS = Object.keys(LEAST_ROLE) as readonly Permission[];

export function isRole(text: string): text is Role {
  return ROLES.some((role) => role === text);
}

export function roleAllows(role: Role, permission: Permission): boolean {
  return roleAtLeast(role, LEAST_ROLE[permission]);
}

/** The lowest role with a permission, for the message of a refusal. */
export function leastRole(permission: Permission): Role {
  return LEAST_ROLE[permission];
}

/** Whether `role` is `least` or above it. */
export function roleAtLeast(role: Role, least: Role): boolean {
  return ROLES.indexOf(role) >= ROLES.indexOf(least);
}

export function higherRole(a: Role, b: Role): Role {
  return ROLES.indexOf(a) >= ROLES.indexOf(b) ? a : b;
}
