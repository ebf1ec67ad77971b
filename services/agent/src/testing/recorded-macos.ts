/**
 * What the tools of macOS print, by their name, written after their manual pages and what is published of their output.
 * No Mac has run them for this project.
 */
export const IOREG = `+-o IOBlockStorageDriver  <class IOBlockStorageDriver, id 0x100000663, registered, matched, active, busy 0 (117 ms), retain 8>
  | {
  |   "IOClass" = "IOBlockStorageDriver"
  |   "Statistics" = {"Operations (Write)"=300,"Latency Time (Write)"=0,"Bytes (Read)"=512000,"Errors (Write)"=0,"Total Time (Read)"=5000000,"Latency Time (Read)"=0,"Retries (Read)"=0,"Errors (Read)"=0,"Total Time (Write)"=7000000,"Bytes (Write)"=1024000,"Operations (Read)"=200,"Retries (Write)"=0}
  | }
  |
  +-o APPLE SSD AP0512Z Media  <class IOMedia, id 0x100000791, registered, matched, active, busy 0 (117 ms), retain 12>
      {
        "Content" = "GUID_partition_scheme"
        "Whole" = Yes
        "BSD Name" = "disk0"
        "Size" = 500277792768
      }

+-o IOBlockStorageDriver  <class IOBlockStorageDriver, id 0x1000009b5, registered, matched, active, busy 0 (91 ms), retain 8>
    {
      "IOClass" = "IOBlockStorageDriver"
      "Statistics" = {"Operations (Write)"=0,"Bytes (Read)"=0,"Bytes (Write)"=0,"Operations (Read)"=0}
    }

`;

export const NETSTAT_INTERFACES = `Name       Mtu   Network       Address            Ipkts Ierrs     Ibytes    Opkts Oerrs     Obytes  Coll Drop
lo0        16384 <Link#1>                        113504     0   76408172   113504     0   76408172     0   0
lo0        16384 127           127.0.0.1         113504     -   76408172   113504     -   76408172     -   -
gif0*      1280  <Link#2>                             0     0          0        0     0          0     0   0
en0        1500  <Link#14>   4e:ac:1c:ae:e2:ff   293277     5   38999885    84127     6    7729231     0   7
en0        1500  192.168.0   192.168.0.7         293277     -   38999885    84127     -    7729231     -   -
utun3*     1380  <Link#15>                           40     0       4000       50     0       5000     0   0
vmenet0    1500  <Link#21>   ae:de:48:00:11:22       10     0       1000       10     0       1000     0   0
`;

export const VM_STAT = `Mach Virtual Memory Statistics: (page size of 16384 bytes)
Pages free:                               20000.
Pages active:                            194947.
Pages inactive:                          191193.
Pages speculative:                         3014.
Pages throttled:                              0.
Pages wired down:                        159117.
Pages purgeable:                           1000.
"Translation faults":                 574921966.
File-backed pages:                       140000.
Anonymous pages:                         247311.
Pages stored in compressor:             1022243.
Pages occupied by compressor:            154496.
`;

export const SYSCTL = 'total = 2048.00M  used = 1012.50M  free = 1035.50M  (encrypted)\n';

export const PS = `    1 Ss    12288   1:02.50 Mon Dec  1 08:00:01 2026     root             /sbin/launchd
  310 S      8192   0:00.40 Mon Dec  1 08:00:09 2026     root             /usr/libexec/logd
  812 R+   204800  10:00.00 Mon Dec  1 09:12:44 2026     anna             /Applications/Safari.app/Contents/MacOS/Safari Helper
  900 U      4096   0:01.00 Mon Dec  1 09:30:00 2026     _spotlight       /System/Library/mds_stores
  901 Z         0   0:00.00 Mon Dec  1 09:31:00 2026     anna             (sh)
`;

export const NETSTAT_TCP = `Active Internet connections (including servers)
Proto Recv-Q Send-Q  Local Address          Foreign Address        (state)
tcp4       0      0  192.168.0.7.52100      17.57.146.10.443       ESTABLISHED
tcp4       0      0  192.168.0.7.52101      17.57.146.11.443       ESTABLISHED
tcp6       0      0  *.22                   *.*                    LISTEN
tcp4       0      0  192.168.0.7.52090      93.184.216.34.443      TIME_WAIT
tcp4       0      0  192.168.0.7.52091      93.184.216.34.443      FIN_WAIT_2
`;

export const DF = `Filesystem     1024-blocks      Used Available Capacity iused      ifree %iused  Mounted on
/dev/disk3s1s1   482797652  10485760 241398826     5%  404167 2413988260    0%   /
devfs                  211       211         0   100%     732          0  100%   /dev
/dev/disk3s5     482797652 220000000 241398826    48%    3.1M       2.4G    0%   /System/Volumes/Data
map auto_home            0         0         0   100%       0          0     -   /System/Volumes/Data/home
/dev/disk5s1     500000000 100000000 400000000    20%      10 4294967269    0%   /Volumes/My Backup
`;

export const PMSET = `Now drawing from 'Battery Power'
 -InternalBattery-0 (id=4653155)\t95%; discharging; 4:13 remaining present: true
`;
