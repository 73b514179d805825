/* SPDX-License-Identifier: MIT */
/*
 * See scripts.h. Numbers in Lua are doubles: exact below 2^53, which milliseconds, positions and
 * thousandths of tokens are; ids and seqs are not and stay text. The clock is the server's (TIME).
 */
#include "backends/redis/scripts.h"
#include "backends/redis/internal.h"

#define CUT_OF_RECENT                                                                              \
    "local cut=redis.call('ZREVRANGEBYLEX',KEYS[1],'+','[" CHAT__REDIS_RECENT_END "')[1] "
#define NOW "local t=redis.call('TIME') local now=t[1]*1000+math.floor(t[2]/1000) "

/* The hash of devices: "until node" for each. Those whose time is over are taken out on the way. */
#define EACH_DEVICE                                                                                \
    "local all,left=redis.call('HGETALL',KEYS[2]),{} "                                             \
    "for i=1,#all,2 do local at=string.find(all[i+1],' ',1,true) "                                 \
    "if tonumber(string.sub(all[i+1],1,at-1))>now then "                                           \
    "left[#left+1]=all[i] left[#left+1]=string.sub(all[i+1],at+1) "                                \
    "else redis.call('HDEL',KEYS[2],all[i]) end end "

/*
 * A queue is a list, and a hash with what each device has, as the number of entries that were ever
 * put up to there. The field '' is that of the last one, so the first that is kept follows from the
 * length of the list, whatever was cut off or has expired.
 */
#define QUEUE                                                                                      \
    "local len=redis.call('LLEN',KEYS[1]) "                                                        \
    "local last=math.max(tonumber(redis.call('HGET',KEYS[2],'') or '0'),len) "                     \
    "local first=last-len "
#define SET_NUMBER(field, value)                                                                   \
    "redis.call('HSET',KEYS[2]," field ",string.format('%.0f'," value ")) "
/* What all devices have goes. The last device leaves what it had. */
#define CUT                                                                                        \
    "local least,all,n=last,redis.call('HGETALL',KEYS[2]),0 "                                      \
    "for i=1,#all,2 do if all[i]~='' then n=n+1 least=math.min(least,tonumber(all[i+1])) end end " \
    "if n>0 and least>first then redis.call('LTRIM',KEYS[1],least-first,-1) end "

const char *const chat__redis_scripts[CHAT__REDIS_N_SCRIPTS] = {
    /* ONLINE: ttl ms, device, node */
    NOW "redis.call('SET',KEYS[1],'online','PX',ARGV[1]) "
        "if redis.call('HLEN',KEYS[2])>16 then " EACH_DEVICE "end "
        "redis.call('HSET',KEYS[2],ARGV[2],string.format('%.0f ',now+ARGV[1])..ARGV[3]) "
        "redis.call('PEXPIRE',KEYS[2],ARGV[1]) return 1",
    /* OFFLINE: device, node */
    NOW EACH_DEVICE "local n=#left/2 "
                    "for i=1,#left,2 do if left[i]==ARGV[1] and left[i+1]==ARGV[2] then "
                    "redis.call('HDEL',KEYS[2],left[i]) n=n-1 end end "
                    "if n==0 then redis.call('DEL',KEYS[1]) end return n",
    /* DEVICES */
    NOW EACH_DEVICE "return left",
    /* QUEUE_PUT: entry, limit, ttl of the list, of the hash */
    QUEUE
    "redis.call('RPUSH',KEYS[1],ARGV[1]) redis.call('LTRIM',KEYS[1],-ARGV[2],-1) "
    "last=last+1 " SET_NUMBER("''", "last") "redis.call('EXPIRE',KEYS[1],ARGV[3]) "
                                            "redis.call('EXPIRE',KEYS[2],ARGV[4]) return last",
    /* QUEUE_READ: device, count, ttl of the hash */
    QUEUE
    "local have=tonumber(redis.call('HGET',KEYS[2],ARGV[1])) "
    "if not have or have>last then have=first " SET_NUMBER("ARGV[1]", "have") SET_NUMBER(
        "''",
        "last") "redis.call('EXPIRE',KEYS[2],ARGV[3]) end "
                "local from=math.max(have,first) "
                "return "
                "{from-have,from+1,redis.call('LRANGE',KEYS[1],from-first,from-first+ARGV[2]-1)}",
    /* QUEUE_ACK: device, ttl of the hash, position; or the device is forgotten when there is none
     */
    QUEUE "if not ARGV[3] then redis.call('HDEL',KEYS[2],ARGV[1]) else "
          "local have=tonumber(redis.call('HGET',KEYS[2],ARGV[1]) or '0') "
          "local to=math.min(tonumber(ARGV[3]),last) "
          "if to>have then " SET_NUMBER(
              "ARGV[1]", "to") "redis.call('EXPIRE',KEYS[2],ARGV[2]) end end " CUT "return 1",
    /* RESERVE: id, ttl */
    "if redis.call('SET',KEYS[1],ARGV[1],'NX','EX',ARGV[2]) then return ARGV[1] end "
    "return redis.call('GET',KEYS[1])",
    /* TAKE: rate, burst, count. Kept are the thousandths that are missing and since when. */
    NOW "local rate,most,cost=tonumber(ARGV[1]),ARGV[2]*1000,ARGV[3]*1000 "
        "local used,at=string.match(redis.call('GET',KEYS[1]) or '0 0','^(%d+) (%d+)$') "
        "used=math.max(0,tonumber(used or 0)-math.max(0,now-tonumber(at or 0))*rate) "
        "cost=math.min(cost,most) "
        "if used+cost>most then return math.ceil((used+cost-most)/rate) end "
        "used=used+cost "
        "redis.call('SET',KEYS[1],string.format('%.0f %.0f',used,now),'PX',"
        "string.format('%.0f',math.ceil(used/rate)+1)) return 0",
    /* RECENT_PUT: seq, the one behind it, record, how many are kept, ttl. The score is the same for
       all: they are ordered by their bytes, which begin with the seq in 16 digits. */
    CUT_OF_RECENT "if cut and ARGV[1]<=string.sub(cut,17) then return 0 end "
                  "redis.call('ZREMRANGEBYLEX',KEYS[1],'['..ARGV[1],'('..ARGV[2]) "
                  "redis.call('ZADD',KEYS[1],0,ARGV[1]..ARGV[3]) "
                  "redis.call('ZREMRANGEBYRANK',KEYS[1],0,-1-ARGV[4]-(cut and 1 or 0)) "
                  "redis.call('EXPIRE',KEYS[1],ARGV[5]) return 1",
    /* RECENT_CUT: seq, the one behind it, ttl */
    CUT_OF_RECENT "if cut and ARGV[1]<=string.sub(cut,17) then return 0 end "
                  "if cut then redis.call('ZREM',KEYS[1],cut) end "
                  "redis.call('ZREMRANGEBYLEX',KEYS[1],'-','('..ARGV[2]) "
                  "redis.call('ZADD',KEYS[1],0,'" CHAT__REDIS_RECENT_END "'..ARGV[1]) "
                  "redis.call('EXPIRE',KEYS[1],ARGV[3]) return 1",
};
