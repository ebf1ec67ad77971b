import { createServer } from 'node:http';

/**
 * `docker.js SOCKET`: answers as Docker's Engine API does, from what an engine (27.0) answers for one container. It
 * says when it listens.
 */
const ID = '3f'.repeat(32);
const IMAGE = 'b7'.repeat(32);
const NETWORK = 'c1'.repeat(32);

const CONTAINER = {
  Id: ID,
  Names: ['/web'],
  Image: 'nginx:1',
  ImageID: `sha256:${IMAGE}`,
  Command: 'nginx -g x',
  Created: 1_700_000_000,
  State: 'running',
  Status: 'Up 2 hours',
  Labels: { tier: 'front', empty: '' },
  Ports: [
    { IP: '0.0.0.0', PrivatePort: 80, PublicPort: 8_080, Type: 'tcp' },
    { PrivatePort: 443, Type: 'tcp' },
  ],
  HostConfig: { NetworkMode: 'bridge' },
  Mounts: [
    { Type: 'bind', Source: '/srv', Destination: '/data', Mode: 'ro', RW: false, Propagation: 'rprivate' },
    {
      ...{ Type: 'volume', Name: 'v', Source: '/var/lib/docker/volumes/v/_data', Destination: '/v' },
      ...{ Driver: 'local', Mode: 'z', RW: true, Propagation: '' },
    },
  ],
  NetworkSettings: {
    Networks: {
      bridge: {
        ...{ NetworkID: NETWORK, EndpointID: 'd2'.repeat(32), Gateway: '172.17.0.1', IPAddress: '172.17.0.2' },
        ...{ IPPrefixLen: 16, IPv6Gateway: 'fd00::1', GlobalIPv6Address: 'fd00::2', GlobalIPv6PrefixLen: 64 },
        MacAddress: '02:42:ac:11:00:02',
      },
    },
  },
};

const DETAILS = {
  Id: ID,
  Created: '2023-11-14T22:13:20.000000001Z',
  Path: 'nginx',
  Args: ['-g', 'x'],
  State: {
    ...{ Status: 'running', Running: true, Paused: false, Restarting: false, OOMKilled: false, Dead: false, Pid: 1 },
    ...{ ExitCode: 0, Error: '', StartedAt: '2026-01-01T00:00:00Z', FinishedAt: '0001-01-01T00:00:00Z' },
  },
  Config: { Hostname: 'web', User: '', Entrypoint: ['/entry.sh', '-x'], Env: ['PATH=/bin', 'OPTIONS=a=b', 'EMPTY='] },
  HostConfig: { Privileged: false, SecurityOpt: ['no-new-privileges', 'label=disable'], ReadonlyRootfs: true },
};

const PROCESS = [
  ...['4711', 'S', '0', '0', '0', '0', '0', '0', '10240', '20480', '1-02:03:04', '1', '4711', '3', '0', 'root'],
  ...['00:00:07', '0.5', '1.2', 'nginx', 'nginx: master process'],
];
const WORKER = ['4712', 'R', ...PROCESS.slice(2, 10), '05:06', '4711', ...PROCESS.slice(12, 20), 'nginx: worker'];
const PROCESSES = {
  ...{ Titles: ['PID', 'S', 'UID', 'and others'] },
  Processes: [PROCESS, WORKER],
};

const ANSWERS: Readonly<Record<string, unknown>> = {
  '/containers/json': [CONTAINER],
  [`/containers/${ID}/json`]: DETAILS,
  [`/containers/${ID}/top`]: PROCESSES,
  '/images/json': [
    {
      Id: `sha256:${IMAGE}`,
      ParentId: '',
      Created: 1_690_000_000,
      Size: 2 ** 33,
      RepoTags: ['nginx:1', 'nginx:latest'],
    },
    { Id: `sha256:${'e3'.repeat(32)}`, ParentId: '', Created: 1_680_000_000, Size: 4_096, RepoTags: ['<none>:<none>'] },
  ],
  '/networks': [
    {
      ...{ Id: NETWORK, Name: 'bridge', Driver: 'bridge', Created: '2026-01-01T00:00:00.5Z', EnableIPv6: false },
      ...{ IPAM: { Config: [{ Subnet: '172.17.0.0/16', Gateway: '172.17.0.1' }] }, Labels: { a: 'b' } },
    },
  ],
  '/volumes': {
    Volumes: [
      {
        ...{ Name: 'v', Driver: 'local', Mountpoint: '/var/lib/docker/volumes/v/_data', Scope: 'local' },
        ...{ Options: { type: 'tmpfs' }, Labels: { of: 'web' } },
      },
    ],
    Warnings: null,
  },
  '/version': {
    ...{ Version: '27.0.3', ApiVersion: '1.46', MinAPIVersion: '1.24', GitCommit: '662f78c', GoVersion: 'go1.21.11' },
    ...{ Os: 'linux', Arch: 'amd64', KernelVersion: '6.1.0', BuildTime: '2024-06-29T00:02:50.000000000+00:00' },
  },
  '/info': {
    ...{ ID: 'a1b2', Containers: 1, ContainersRunning: 1, ContainersPaused: 0, ContainersStopped: 0, Images: 2 },
    ...{ Driver: 'overlay2', MemoryLimit: true, SwapLimit: true, KernelMemory: false, CpuCfsPeriod: true },
    ...{ CpuCfsQuota: true, CPUShares: true, CPUSet: false, IPv4Forwarding: true, BridgeNfIptables: false },
    ...{ BridgeNfIp6tables: false, OomKillDisable: false, LoggingDriver: 'json-file', CgroupDriver: 'systemd' },
    ...{ KernelVersion: '6.1.0', OperatingSystem: 'Debian GNU/Linux 12', OSType: 'linux', Architecture: 'x86_64' },
    ...{ NCPU: 2, MemTotal: 8_589_934_592, HttpProxy: 'http://proxy:3128', HttpsProxy: '', NoProxy: 'localhost' },
    ...{ Name: 'box', ServerVersion: '27.0.3', DockerRootDir: '/var/lib/docker' },
  },
  [`/images/${IMAGE}/history`]: [
    { Id: 'sha256:b7', Created: 1_690_000_000, CreatedBy: 'CMD ["nginx"]', Tags: ['nginx:1'], Size: 0, Comment: 'c' },
    { Id: '<missing>', Created: 1_689_000_000, CreatedBy: 'ADD file:1 in /', Tags: null, Size: 4_096, Comment: '' },
  ],
  [`/images/${'e3'.repeat(32)}/history`]: [],
};

const server = createServer(({ url = '' }, response) => {
  const path = url.replace(/^\/v1\.\d+/, '').replace(/\?.*$/, '');
  const answer = ANSWERS[path];
  response.writeHead(answer === undefined ? 404 : 200, { 'content-type': 'application/json' });
  response.end(JSON.stringify(answer ?? { message: `no ${path}` }));
});
server.listen(process.argv[2] ?? '', () => process.stdout.write('listening\n'));
