/* SPDX-License-Identifier: MIT */
/* To be loaded before a program (LD_PRELOAD): its connections to one port of loopback go to another
   (CHAT_DETOUR="FROM:TO"), where a test may cut them. For what tells its own address, as brokers of
   Kafka do. */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

int connect(int fd, const struct sockaddr *address, socklen_t len)
{
    int (*real)(int, const struct sockaddr *, socklen_t) = NULL;
    void *found = dlsym(RTLD_NEXT, "connect");
    const char *detour = getenv("CHAT_DETOUR");
    unsigned from, to;
    struct sockaddr_in other;
    memcpy(&real, &found, sizeof real);
    if (detour == NULL || address->sa_family != AF_INET || len != sizeof other ||
        sscanf(detour, "%u:%u", &from, &to) != 2)
        return real(fd, address, len);
    memcpy(&other, address, sizeof other);
    if (ntohl(other.sin_addr.s_addr) == INADDR_LOOPBACK && ntohs(other.sin_port) == from)
        other.sin_port = htons((in_port_t)to);
    return real(fd, (const struct sockaddr *)&other, len);
}
