import { type CollectRequest, lazy, type TableRow } from '@muster/tables';
import type { Collector, System } from '../../contract/system.js';
import { asObject, type Json, objects, text, texts, whole } from '../parse/json.js';
import { DockerApi } from './docker-api.js';

const NAMESPACES = ['cgroup', 'ipc', 'mnt', 'net', 'pid', 'user', 'uts'] as const;

type Read = (api: DockerApi, system: System, request: CollectRequest) => Iterable<TableRow>;

/** What Docker says over its socket. */
export const DOCKER_COLLECTORS: readonly Collector[] = [
  docker('docker_version', function* (api) {
    const found = api.object('/version');
    if (found !== undefined) yield versionRow(found);
  }),
  docker('docker_info', function* (api) {
    const found = api.object('/info');
    if (found !== undefined) yield infoRow(found);
  }),
  docker('docker_containers', function* (api, system) {
    for (const container of api.containers()) yield containerRow(api, system, container);
  }),
  docker('docker_container_ports', (api) =>
    ofContainers(api, ({ Ports }) =>
      objects(Ports).map((port) => ({
        ...{ type: text(port['Type']), port: whole(port['PrivatePort']) },
        ...{ host_ip: text(port['IP']), host_port: whole(port['PublicPort']) ?? 0 },
      })),
    ),
  ),
  docker('docker_container_labels', (api) =>
    ofContainers(api, ({ Labels }) =>
      Object.entries(asObject(Labels) ?? {}).map(([key, value]) => ({ key, value: text(value) })),
    ),
  ),
  docker('docker_container_mounts', (api) =>
    ofContainers(api, ({ Mounts }) =>
      objects(Mounts).map((mount) => ({
        ...{ type: text(mount['Type']), name: text(mount['Name']), source: text(mount['Source']) },
        ...{ destination: text(mount['Destination']), driver: text(mount['Driver']), mode: text(mount['Mode']) },
        ...{ rw: mount['RW'] === true, propagation: text(mount['Propagation']) },
      })),
    ),
  ),
  docker('docker_container_networks', (api) =>
    ofContainers(api, ({ NetworkSettings }) =>
      Object.entries(asObject(asObject(NetworkSettings)?.['Networks']) ?? {}).map(([name, network]) => ({
        name,
        ...networkRow(asObject(network) ?? {}),
      })),
    ),
  ),
  docker('docker_container_envs', function* (api) {
    for (const { Id } of api.containers()) {
      for (const variable of texts(asObject(api.details(text(Id))?.['Config'])?.['Env'])) {
        const at = variable.indexOf('=');
        yield {
          id: text(Id),
          key: at < 0 ? variable : variable.slice(0, at),
          value: at < 0 ? '' : variable.slice(at + 1),
        };
      }
    }
  }),
  docker('docker_container_processes', function* (api, system, request) {
    const ids = api.ids('/containers/json', request.equal('id'));
    const answers = api.objectsOf(ids, (id) => `/containers/${id}/top?ps_args=axwwo%20${PS_COLUMNS}`);
    const uptime = Number.parseFloat(system.word('/proc/uptime') ?? '');
    for (const [id, found] of answers) {
      const processes = Array.isArray(found['Processes']) ? found['Processes'] : [];
      for (const process of processes) yield* processRow(id, texts(process), uptime);
    }
  }),
  docker('docker_image_history', function* (api, _, request) {
    const ids = api.ids('/images/json', request.equal('id'));
    for (const [id, steps] of api.listsOf(ids, (one) => `/images/${one}/history`)) {
      for (const step of steps) {
        yield {
          ...{ id, created: whole(step['Created']), size: whole(step['Size']), created_by: text(step['CreatedBy']) },
          ...{ tags: texts(step['Tags']).join(','), comment: text(step['Comment']) },
        };
      }
    }
  }),
  docker('docker_images', (api) =>
    api.list('/images/json').map((image) => ({
      ...{ id: hashOf(image['Id']), created: whole(image['Created']), size_bytes: whole(image['Size']) },
      tags: texts(image['RepoTags']).join(','),
    })),
  ),
  docker('docker_networks', (api) =>
    api.list('/networks').map((network) => {
      const [config] = objects(asObject(network['IPAM'])?.['Config']);
      return {
        ...{ id: text(network['Id']), name: text(network['Name']), driver: text(network['Driver']) },
        ...{ created: secondsOf(network['Created']), enable_ipv6: network['EnableIPv6'] === true },
        ...{ subnet: text(config?.['Subnet']), gateway: text(config?.['Gateway']) },
      };
    }),
  ),
  docker('docker_volumes', (api) =>
    objects(api.object('/volumes')?.['Volumes']).map((volume) => ({
      ...{ name: text(volume['Name']), driver: text(volume['Driver']), mount_point: text(volume['Mountpoint']) },
      type: text(asObject(volume['Options'])?.['type']),
    })),
  ),
];

function docker(table: string, read: Read): Collector {
  return { table, collect: (system, request) => read(new DockerApi(system, request), system, request) };
}

function* ofContainers(api: DockerApi, read: (container: Json) => Iterable<TableRow>): Iterable<TableRow> {
  for (const container of api.containers()) {
    for (const row of read(container)) yield { ...row, id: text(container['Id']) };
  }
}

function containerRow(api: DockerApi, system: System, container: Json): TableRow {
  const id = text(container['Id']);
  const state = (): Json => asObject(api.details(id)?.['State']) ?? {};
  const config = (): Json => asObject(api.details(id)?.['Config']) ?? {};
  const host = (): Json => asObject(api.details(id)?.['HostConfig']) ?? {};
  const namespace = (kind: string): string => {
    const pid = whole(state()['Pid']) ?? 0;
    return pid === 0 ? '' : (/\[(\d+)\]$/.exec(system.link(`/proc/${pid}/ns/${kind}`) ?? '')?.[1] ?? '');
  };
  return {
    ...{
      id,
      name: texts(container['Names'])[0] ?? '',
      image: text(container['Image']),
      image_id: hashOf(container['ImageID']),
    },
    ...{ command: text(container['Command']), created: whole(container['Created']) },
    ...{ state: text(container['State']), status: text(container['Status']) },
    pid: lazy(() => whole(state()['Pid'])),
    path: lazy(() => text(api.details(id)?.['Path'])),
    config_entrypoint: lazy(() => texts(config()['Entrypoint']).join(', ')),
    started_at: lazy(() => timeOf(state()['StartedAt'])),
    finished_at: lazy(() => timeOf(state()['FinishedAt'])),
    privileged: lazy(() => host()['Privileged'] === true),
    security_options: lazy(() => texts(host()['SecurityOpt']).join(', ')),
    readonly_rootfs: lazy(() => host()['ReadonlyRootfs'] === true),
    ...Object.fromEntries(NAMESPACES.map((kind) => [`${kind}_namespace`, lazy(() => namespace(kind))])),
  };
}

function networkRow(network: Json): TableRow {
  return {
    ...{ network_id: text(network['NetworkID']), endpoint_id: text(network['EndpointID']) },
    ...{ gateway: text(network['Gateway']), ip_address: text(network['IPAddress']) },
    ...{ ip_prefix_len: whole(network['IPPrefixLen']), ipv6_gateway: text(network['IPv6Gateway']) },
    ...{ ipv6_address: text(network['GlobalIPv6Address']), ipv6_prefix_len: whole(network['GlobalIPv6PrefixLen']) },
    mac_address: text(network['MacAddress']),
  };
}

function versionRow(found: Json): TableRow {
  return {
    ...{
      version: text(found['Version']),
      api_version: text(found['ApiVersion']),
      min_api_version: text(found['MinAPIVersion']),
    },
    ...{ git_commit: text(found['GitCommit']), go_version: text(found['GoVersion']), os: text(found['Os']) },
    ...{
      arch: text(found['Arch']),
      kernel_version: text(found['KernelVersion']),
      build_time: text(found['BuildTime']),
    },
  };
}

/** Columns of docker_info by Docker's names. */
const INFO_NUMBERS = {
  ...{ containers: 'Containers', containers_running: 'ContainersRunning', containers_paused: 'ContainersPaused' },
  ...{ containers_stopped: 'ContainersStopped', images: 'Images', cpus: 'NCPU', memory: 'MemTotal' },
} as const;
const INFO_FLAGS = {
  ...{
    memory_limit: 'MemoryLimit',
    swap_limit: 'SwapLimit',
    kernel_memory: 'KernelMemory',
    cpu_cfs_period: 'CpuCfsPeriod',
  },
  ...{ cpu_cfs_quota: 'CpuCfsQuota', cpu_shares: 'CPUShares', cpu_set: 'CPUSet', ipv4_forwarding: 'IPv4Forwarding' },
  ...{
    bridge_nf_iptables: 'BridgeNfIptables',
    bridge_nf_ip6tables: 'BridgeNfIp6tables',
    oom_kill_disable: 'OomKillDisable',
  },
} as const;
const INFO_TEXTS = {
  ...{ id: 'ID', storage_driver: 'Driver', logging_driver: 'LoggingDriver', cgroup_driver: 'CgroupDriver' },
  ...{ kernel_version: 'KernelVersion', os: 'OperatingSystem', os_type: 'OSType', architecture: 'Architecture' },
  ...{ name: 'Name', server_version: 'ServerVersion', root_dir: 'DockerRootDir', no_proxy: 'NoProxy' },
} as const;

function infoRow(found: Json): TableRow {
  const pick = <T>(names: Readonly<Record<string, string>>, read: (value: unknown) => T): Record<string, T> =>
    Object.fromEntries(Object.entries(names).map(([column, name]) => [column, read(found[name])]));
  return {
    ...pick(INFO_NUMBERS, whole),
    ...pick(INFO_FLAGS, (value) => value === true),
    ...pick(INFO_TEXTS, text),
    http_proxy: withoutPassword(text(found['HttpProxy'])),
    https_proxy: withoutPassword(text(found['HttpsProxy'])),
  };
}

function withoutPassword(proxy: string): string {
  return proxy.replace(/\/\/[^/@]*@/, '//***@');
}

/** What osquery has Docker ask of ps. */
const PS_COLUMNS =
  'pid,state,uid,gid,euid,egid,suid,sgid,rss,vsz,etime,ppid,pgrp,nlwp,nice,user,time,pcpu,pmem,comm,cmd';

function* processRow(id: string, values: readonly string[], uptime: number): Iterable<TableRow> {
  const columns = PS_COLUMNS.split(',');
  // ps of the machine may be another one, with columns of its own.
  if (values.length !== columns.length) return;
  const of = (column: string): string => values[columns.indexOf(column)] ?? '';
  const number = (column: string): number | undefined =>
    /^-?[\d.]+$/.test(of(column)) ? Number(of(column)) : undefined;
  const kilobytes = (column: string): number | undefined => (number(column) ?? NaN) * 1_024 || undefined;
  yield {
    ...{ id, pid: number('pid'), name: of('comm'), cmdline: of('cmd'), state: of('state'), uid: number('uid') },
    ...{ gid: number('gid'), euid: number('euid'), egid: number('egid'), suid: number('suid'), sgid: number('sgid') },
    ...{ resident_size: kilobytes('rss'), total_size: kilobytes('vsz'), start_time: startedAt(of('etime'), uptime) },
    ...{ parent: number('ppid'), pgroup: number('pgrp'), threads: number('nlwp'), nice: number('nice') },
    ...{ user: of('user'), time: of('time'), cpu: number('pcpu'), mem: number('pmem') },
  };
}

/** Seconds from the start of the machine, from the time that ps says it has run: `[[days-]hours:]minutes:seconds`. */
function startedAt(elapsed: string, uptime: number): number | undefined {
  const [, days = 0, hours = 0, minutes, seconds] = /^(?:(?:(\d+)-)?(\d+):)?(\d+):(\d+)$/.exec(elapsed) ?? [];
  if (minutes === undefined || Number.isNaN(uptime)) return undefined;
  const ran = ((Number(days) * 24 + Number(hours)) * 60 + Number(minutes)) * 60 + Number(seconds);
  return Math.max(0, Math.round(uptime - ran));
}

function hashOf(id: unknown): string {
  return text(id).replace(/^sha256:/, '');
}

/** Docker writes year 1 for what did not happen. */
function timeOf(time: unknown): string {
  return text(time).startsWith('0001-') ? '' : text(time);
}

function secondsOf(time: unknown): number | undefined {
  const ms = Date.parse(text(time));
  return Number.isNaN(ms) ? undefined : Math.floor(ms / 1_000);
}
