import type { Collector } from '../contract/collector.js';
import { ownedSockets } from './sockets.js';

export const processOpenSockets: Collector = {
  table: 'process_open_sockets',
  *collect(system, request) {
    for (const { pid, fd, socket, namespace } of ownedSockets(system, request)) {
      yield {
        pid,
        fd,
        socket: socket.inode,
        family: socket.family,
        protocol: socket.protocol,
        local_address: socket.localAddress,
        remote_address: socket.remoteAddress,
        local_port: socket.localPort,
        remote_port: socket.remotePort,
        path: socket.path,
        state: socket.state,
        net_namespace: namespace,
      };
    }
  },
};
