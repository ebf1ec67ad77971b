import { lazyRouteComponent } from '@tanstack/react-router';

/** A page of the console: where it is, how it is called, the key that goes there, and the right without which it is not shown. */
export interface Page {
  readonly path: string;
  readonly name: string;
  readonly key: string;
  readonly permission: string;
}

/** In the order of the navigation. */
export const PAGES: readonly Page[] = [
  { path: '/ask', name: 'Ask', key: 'a', permission: 'queries:read' },
  { path: '/fleet', name: 'Fleet', key: 'f', permission: 'agents:read' },
  { path: '/hunts', name: 'Hunts', key: 'h', permission: 'queries:read' },
  { path: '/scans', name: 'Scans', key: 'p', permission: 'queries:read' },
  { path: '/commands', name: 'Commands', key: 'c', permission: 'commands:read' },
  { path: '/bandwidth', name: 'Bandwidth', key: 'b', permission: 'queries:run' },
  { path: '/audit', name: 'Audit', key: 'l', permission: 'audit:read' },
  { path: '/settings', name: 'Settings', key: 's', permission: '' },
];

/** Each page is a chunk of its own. */
export const COMPONENTS = {
  ask: lazyRouteComponent(() => import('../ask/ask-page.js')),
  fleet: lazyRouteComponent(() => import('../fleet/fleet-page.js')),
  endpoint: lazyRouteComponent(() => import('../endpoint/endpoint-page.js')),
  commands: lazyRouteComponent(() => import('../commands/commands-page.js')),
  hunts: lazyRouteComponent(() => import('../hunts/hunts-page.js')),
  scans: lazyRouteComponent(() => import('../scans/scans-page.js')),
  bandwidth: lazyRouteComponent(() => import('../bandwidth/bandwidth-page.js')),
  audit: lazyRouteComponent(() => import('../audit/audit-page.js')),
  settings: lazyRouteComponent(() => import('../settings/settings-page.js')),
} as const;
