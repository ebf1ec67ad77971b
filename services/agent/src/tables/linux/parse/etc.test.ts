import { describe, expect, it } from '@jest/globals';
import { parseAssignments, parseHosts, parseProtocols, parseResolvConf, parseServices } from './etc.js';
import { parseGroup, parsePasswd } from './accounts.js';

describe('files in /etc', () => {
  it('reads hosts', () => {
    expect(
      parseHosts('# static\n127.0.0.1\tlocalhost  localhost.localdomain # us\n\n::1 ip6-localhost\nalone\n'),
    ).toEqual([
      { address: '127.0.0.1', hostnames: 'localhost localhost.localdomain' },
      { address: '::1', hostnames: 'ip6-localhost' },
    ]);
  });

  it('reads protocols and services', () => {
    expect(parseProtocols('ip 0 IP # internet protocol\nbroken\n')).toEqual([
      { name: 'ip', number: 0, alias: 'IP', comment: 'internet protocol' },
    ]);
    expect(parseServices('http\t\t80/tcp\t\twww web\t# WorldWideWeb HTTP\nbad 80\n')).toEqual([
      { name: 'http', port: 80, protocol: 'tcp', aliases: 'www web', comment: 'WorldWideWeb HTTP' },
    ]);
  });

  it('reads resolv.conf; the last search line applies', () => {
    const text =
      'nameserver 10.0.0.1\nnameserver 10.0.0.2 # second\ndomain old\nsearch a.test b.test\nsortlist 10.1.0.0/255.255.0.0\noptions rotate edns0 ndots:2\n';
    const options = 0x2c1 | 0x4000 | 0x10_0000;
    expect(parseResolvConf(text)).toEqual([
      { id: 0, type: 'nameserver', address: '10.0.0.1', netmask: '32', options },
      { id: 1, type: 'nameserver', address: '10.0.0.2', netmask: '32', options },
      { id: 0, type: 'search', address: 'a.test', netmask: '', options },
      { id: 1, type: 'search', address: 'b.test', netmask: '', options },
      { id: 0, type: 'sortlist', address: '10.1.0.0', netmask: '255.255.0.0', options },
    ]);
  });

  it('reads passwd and group, and skips invalid lines', () => {
    expect(parsePasswd('ann:x:1000:1001:Ann,,,:/home/ann:/bin/bash\n+nis\nbad:x:a:b:::\n')).toEqual([
      { username: 'ann', uid: 1000, gid: 1001, description: 'Ann,,,', directory: '/home/ann', shell: '/bin/bash' },
    ]);
    expect(parseGroup('adm:x:4:ann,bob\nempty:x:5:\nbad\n')).toEqual([
      { groupname: 'adm', gid: 4, members: ['ann', 'bob'] },
      { groupname: 'empty', gid: 5, members: [] },
    ]);
  });

  it('reads assignments with quotes', () => {
    const values = parseAssignments('NAME="Debian \\"12\\""\nID=debian\n# x\nexport A=\'b c\'\nEMPTY=\n');
    expect(Object.fromEntries(values)).toEqual({ NAME: 'Debian "12"', ID: 'debian', A: 'b c', EMPTY: '' });
  });
});
