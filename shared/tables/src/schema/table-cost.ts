import { TABLE_COSTS, type TableCost, type TableSpec } from './table-spec.js';

/** A table that stands nowhere here is of the first kind. */
const OTHERS: Readonly<Record<Exclude<TableCost, 'few_files'>, readonly string[]>> = {
  memory: ['process_events', 'socket_events'],
  packages: ['apps', 'deb_package_files', 'deb_packages', 'patches', 'portage_packages', 'programs'],
  program: [
    ...[
      'arp_cache',
      'interface_addresses',
      'interface_details',
      'iptables',
      'nftables',
      'routes',
      'rpm_package_files',
      'rpm_packages',
    ],
    ...['scheduled_tasks', 'services', 'systemd_units'],
  ],
  docker: [
    ...['docker_container_envs', 'docker_container_labels', 'docker_container_mounts', 'docker_container_networks'],
    ...['docker_container_ports', 'docker_container_processes', 'docker_containers', 'docker_image_history'],
    ...['docker_images', 'docker_info', 'docker_networks', 'docker_version', 'docker_volumes'],
  ],
  homes: [
    ...['authorized_keys', 'chrome_extensions', 'firefox_addons', 'known_hosts', 'python_packages', 'shell_history'],
    ...['ssh_configs', 'startup_items', 'user_ssh_keys', 'vscode_extensions'],
  ],
  processes: [
    ...['listening_ports', 'process_envs', 'process_memory_map', 'process_namespaces', 'process_open_files'],
    ...['process_open_pipes', 'process_open_sockets', 'processes'],
  ],
  folders: ['extended_attributes', 'file', 'npm_packages', 'registry', 'suid_bin', 'system_controls'],
  contents: ['file_lines', 'hash', 'magic'],
};

const BY_TABLE = new Map(
  Object.entries(OTHERS).flatMap(([cost, names]) => names.map((name) => [name, cost as TableCost] as const)),
);

/** Names that stand in the lists. */
export const COSTED_TABLES: readonly string[] = Object.values(OTHERS).flat();

/** The table with what it costs: the kind, and a sentence that says which columns make it read less. */
export function withCost(spec: TableSpec): TableSpec {
  const cost = BY_TABLE.get(spec.name) ?? 'few_files';
  const narrowing = spec.columns.filter(({ pushdown }) => pushdown?.includes('=')).map(({ name }) => name);
  const required = spec.requiresOneOf ?? [];
  const parts = [capital(TABLE_COSTS[cost])];
  if (required.length > 0) parts.push(`needs a condition on ${required.join(' or ')}`);
  else if (narrowing.length > 0 && cost !== 'few_files') parts.push(`less with ${narrowing.join(' or ')} given`);
  return { ...spec, cost, costNote: `${parts.join('; ')}.` };
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
