/* A disk that fails while the file $BAD_DISK_SWITCH exists: every write and sync of a regular file below $BAD_DISK_FROM
 * ends with EIO. LD_PRELOAD this. cc -shared -fPIC bad_disk.c -ldl */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

static int bad(int fd)
{
    const char *from = getenv("BAD_DISK_FROM"), *file = getenv("BAD_DISK_SWITCH");
    char link[64], path[PATH_MAX];
    struct stat about;
    if (!from || !file || access(file, F_OK) || fstat(fd, &about) || !S_ISREG(about.st_mode))
        return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0)
        return 0;
    path[length] = 0;
    return strncmp(path, from, strlen(from)) == 0;
}

#define FAILS(fd)          \
    if (bad(fd)) {         \
        errno = EIO;       \
        return -1;         \
    }

ssize_t write(int fd, const void *data, size_t count)
{
    FAILS(fd)
    return ((ssize_t(*)(int, const void *, size_t))dlsym(RTLD_NEXT, "write"))(fd, data, count);
}

ssize_t pwrite64(int fd, const void *data, size_t count, off64_t at)
{
    FAILS(fd)
    return ((ssize_t(*)(int, const void *, size_t, off64_t))dlsym(RTLD_NEXT, "pwrite64"))(fd, data, count, at);
}

int fsync(int fd)
{
    FAILS(fd)
    return ((int (*)(int))dlsym(RTLD_NEXT, "fsync"))(fd);
}

int fdatasync(int fd)
{
    FAILS(fd)
    return ((int (*)(int))dlsym(RTLD_NEXT, "fdatasync"))(fd);
}
