/* A disk whose cache is lost in a power cut: LD_PRELOAD this, and $POWER_CUT_TO holds what would be left of $POWER_CUT_FROM.
 * A file's content is that of its last fsync, and it has its name from then on. A rename or a removal holds once its folder is
 * synced; a name whose content never was synced is an empty file. cc -shared -fPIC power_cut.c -ldl */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef char name_t[2 * PATH_MAX];

static void parents(const char *path)
{
    name_t folder;
    snprintf(folder, sizeof folder, "%s", path);
    for (char *at = folder + 1; (at = strchr(at, '/')); *at++ = '/') {
        *at = 0;
        mkdir(folder, 0700);
    }
}

/* Where the synced content of a file is kept, whatever its name: by inode and birth, for inodes come again. */
static void content_of(int fd, name_t found)
{
    struct statx about;
    memset(&about, 0, sizeof about);
    statx(fd, "", AT_EMPTY_PATH, STATX_INO | STATX_BTIME, &about);
    snprintf(found, sizeof(name_t), "%s.contents/%llu-%lld-%u", getenv("POWER_CUT_TO"), about.stx_ino,
             about.stx_btime.tv_sec, about.stx_btime.tv_nsec);
    parents(found);
}

static void named(const char *content, const char *kept)
{
    char half[sizeof(name_t) + 32];
    snprintf(half, sizeof half, "%s.half-%d", content, gettid());
    parents(kept);
    unlink(half);
    if (link(content, half)) {
        int out = open(half, O_WRONLY | O_CREAT | O_TRUNC, 0600); /* never synced */
        if (out >= 0)
            close(out);
    }
    rename(half, kept);
    unlink(half); /* rename of a link to the same file does nothing */
}

static void sync_file(int fd, const char *path, const char *kept)
{
    char buffer[65536];
    name_t content;
    char half[sizeof content + 32];
    content_of(fd, content);
    snprintf(half, sizeof half, "%s.half-%d", content, gettid());
    int in = open(path, O_RDONLY), out = open(half, O_WRONLY | O_CREAT | O_TRUNC, 0600); /* fd may be for writing only */
    for (ssize_t got; in >= 0 && out >= 0 && (got = read(in, buffer, sizeof buffer)) > 0;)
        if (write(out, buffer, got) != got)
            break;
    close(in);
    close(out);
    rename(half, content);
    named(content, kept);
}

static void sync_folder(const char *path, const char *kept)
{
    name_t here, there, content;
    DIR *folder = opendir(path);
    for (struct dirent *entry; folder && (entry = readdir(folder));) {
        snprintf(here, sizeof here, "%s/%s", path, entry->d_name);
        snprintf(there, sizeof there, "%s/%s", kept, entry->d_name);
        if (entry->d_type != DT_REG)
            continue;
        int fd = open(here, O_RDONLY);
        if (fd < 0)
            continue;
        content_of(fd, content);
        close(fd);
        named(content, there);
    }
    if (folder)
        closedir(folder);
    folder = opendir(kept);
    for (struct dirent *entry; folder && (entry = readdir(folder));) {
        snprintf(here, sizeof here, "%s/%s", path, entry->d_name);
        snprintf(there, sizeof there, "%s/%s", kept, entry->d_name);
        if (entry->d_type == DT_REG && access(here, F_OK))
            unlink(there);
    }
    if (folder)
        closedir(folder);
}

static void keep(int fd)
{
    const char *from = getenv("POWER_CUT_FROM"), *to = getenv("POWER_CUT_TO");
    char link[64], path[PATH_MAX];
    name_t kept;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    struct stat about;
    if (!from || !to || length < 0 || fstat(fd, &about))
        return;
    path[length] = 0;
    if (strncmp(path, from, strlen(from)))
        return;
    snprintf(kept, sizeof kept, "%s%s", to, path + strlen(from));
    if (S_ISREG(about.st_mode))
        sync_file(fd, link, kept);
    else if (S_ISDIR(about.st_mode))
        sync_folder(path, kept);
}

int fsync(int fd)
{
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
    int answer = real(fd);
    if (answer == 0)
        keep(fd);
    return answer;
}

int fdatasync(int fd)
{
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    int answer = real(fd);
    if (answer == 0)
        keep(fd);
    return answer;
}
