/* A Modbus TCP server on libmodbus: 2000 holding registers, several clients, no program behind them.
 * cc modbus_server.c -lmodbus; prints its port on stdout. */
#include <arpa/inet.h>
#include <modbus.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    modbus_t *context = modbus_new_tcp("127.0.0.1", argc > 1 ? atoi(argv[1]) : 0);
    modbus_mapping_t *memory = modbus_mapping_new(0, 0, 2000, 0);
    int listener = modbus_tcp_listen(context, 4);
    struct sockaddr_in bound;
    socklen_t length = sizeof bound;
    if (listener < 0 || getsockname(listener, (struct sockaddr *)&bound, &length) < 0)
        return perror("listen"), 1;
    printf("%d\n", ntohs(bound.sin_port));
    fflush(stdout);
    fd_set watched;
    FD_ZERO(&watched);
    FD_SET(listener, &watched);
    for (;;) {
        fd_set readable = watched;
        select(FD_SETSIZE, &readable, NULL, NULL, NULL);
        for (int fd = 0; fd < FD_SETSIZE; fd++) {
            uint8_t query[MODBUS_TCP_MAX_ADU_LENGTH];
            if (!FD_ISSET(fd, &readable))
                continue;
            if (fd == listener) {
                int client = accept(listener, NULL, NULL);
                FD_SET(client, &watched);
                continue;
            }
            modbus_set_socket(context, fd);
            int got = modbus_receive(context, query);
            if (got > 0) {
                modbus_reply(context, query, got, memory);
            } else if (got < 0) {
                FD_CLR(fd, &watched);
                close(fd);
            }
        }
    }
}
