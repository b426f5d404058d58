/* Stands between a server and libc (LD_PRELOAD) and makes system calls fail, as a test wishes.

   The wishes are in a file that both map: FAULTS_CONTROL names it, injector.py writes it and has the same
   layout. A rule counts the calls that match it; some it lets pass, some it fails. Besides, the clock that
   tells the date can be shifted; the one that measures durations never is.

   Calls made from inside libc, and by system call number, are not seen. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { WRITE = 1, SYNC = 2, SYNC_DIR = 4, RENAME = 8, CREATE = 16, OPEN = 32, RESIZE = 64, UNLINK = 128,
       MKDIR = 256, CLOSE = 512 };
enum { LOSE = 1, SHORT = 2 };
enum { RULES = 8, FDS = 4096, FOLDER = 240, NAME = 64 };

struct rule {
    uint32_t operations;  /* 0: the rule is off */
    int32_t error;        /* errno of the calls that fail */
    uint32_t after;       /* so many matching calls pass first, */
    uint32_t times;       /* then so many fail, and the rest passes again */
    uint32_t seen;        /* matching calls so far */
    uint32_t struck;      /* how many of them failed */
    uint32_t flags;       /* LOSE: a sync that fails loses what it should have synced;
                             SHORT: a write does not fail, but writes half of it and says so */
    uint32_t behind;      /* 1 + the number of another rule: nothing matches before that one has struck */
    char folder[FOLDER];  /* paths that begin so, */
    char name[NAME];      /* and whose last part matches this pattern */
};

struct control {
    uint32_t operations;  /* all that any rule is about */
    uint32_t unused;
    int64_t clock_ns;     /* what the date is ahead of the true one */
    struct rule rules[RULES];
};

static struct control *control;
static struct { off_t from, to; } unsynced[FDS];

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("FAULTS_CONTROL");
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (fd < 0)
        return;
    void *mapped = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (mapped != MAP_FAILED)
        control = mapped;
}

#define REAL(name) ({ static __typeof__(&name) real; if (!real) real = dlsym(RTLD_NEXT, #name); real; })

static int concerned(uint32_t operation)
{
    return control && (__atomic_load_n(&control->operations, __ATOMIC_ACQUIRE) & operation);
}

/* The rule that wants this call to fail, if there is one. */
static struct rule *struck(uint32_t operation, const char *path)
{
    if (!path)
        return NULL;
    const char *slash = strrchr(path, '/');
    for (struct rule *rule = control->rules; rule < control->rules + RULES; rule++) {
        if (!(rule->operations & operation) || strncmp(path, rule->folder, strlen(rule->folder)))
            continue;
        if (rule->name[0] && fnmatch(rule->name, slash ? slash + 1 : path, 0))
            continue;
        if (rule->behind && !__atomic_load_n(&control->rules[rule->behind - 1].struck, __ATOMIC_SEQ_CST))
            continue;
        uint32_t number = __atomic_fetch_add(&rule->seen, 1, __ATOMIC_SEQ_CST);
        if (number < rule->after || number - rule->after >= rule->times)
            continue;
        __atomic_fetch_add(&rule->struck, 1, __ATOMIC_SEQ_CST);
        return rule;
    }
    return NULL;
}

static struct rule *struck_fd(uint32_t operation, int fd)
{
    char link[40], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    int saved = errno;
    ssize_t length = readlink(link, path, sizeof path - 1);
    errno = saved;
    if (length < 0)
        return NULL;
    path[length] = 0;
    return struck(operation, path);
}

#define FAIL_PATH(operation, path)                                    \
    do {                                                              \
        struct rule *rule;                                            \
        if (concerned(operation) && (rule = struck(operation, path))) \
            return errno = rule->error, -1;                           \
    } while (0)

/* -- writing ---------------------------------------------------------------------------------------------- */

static void wrote(int fd, off_t offset, ssize_t length)
{
    if (!control || fd < 0 || fd >= FDS || length <= 0)
        return;
    if (unsynced[fd].to == 0 || offset < unsynced[fd].from)
        unsynced[fd].from = offset;
    if (offset + length > unsynced[fd].to)
        unsynced[fd].to = offset + length;
}

static ssize_t write_at(int fd, const void *data, size_t length, off_t offset)
{
    if (concerned(WRITE)) {
        struct rule *rule = struck_fd(WRITE, fd);
        if (rule && !(rule->flags & SHORT))
            return errno = rule->error, -1;
        if (rule && length > 1)
            length /= 2;
    }
    ssize_t written = REAL(pwrite64)(fd, data, length, offset);
    wrote(fd, offset, written);
    return written;
}

ssize_t pwrite(int fd, const void *data, size_t length, off_t offset)
{
    return write_at(fd, data, length, offset);
}

ssize_t pwrite64(int fd, const void *data, size_t length, off64_t offset)
{
    return write_at(fd, data, length, offset);
}

ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t offset)
{
    ssize_t total = 0;
    for (int part = 0; part < count; part++) {
        ssize_t written = write_at(fd, parts[part].iov_base, parts[part].iov_len, offset + total);
        if (written < 0)
            return total ? total : -1;
        total += written;
        if ((size_t)written < parts[part].iov_len)
            break;
    }
    return total;
}

ssize_t pwritev64(int fd, const struct iovec *parts, int count, off64_t offset)
{
    return pwritev(fd, parts, count, offset);
}

ssize_t write(int fd, const void *data, size_t length)
{
    if (concerned(WRITE)) {
        struct rule *rule = struck_fd(WRITE, fd);
        if (rule && !(rule->flags & SHORT))
            return errno = rule->error, -1;
        if (rule && length > 1)
            length /= 2;
    }
    return REAL(write)(fd, data, length);
}

/* -- making durable --------------------------------------------------------------------------------------- */

/* What the kernel does: the pages are given up, and the next sync has nothing to complain about. */
static void lose(int fd)
{
    static const char zeros[1 << 16];
    off_t to = unsynced[fd].to;
    for (off_t at = unsynced[fd].from; at < to;) {
        size_t length = to - at < (off_t)sizeof zeros ? (size_t)(to - at) : sizeof zeros;
        ssize_t written = REAL(pwrite64)(fd, zeros, length, at);
        if (written <= 0)
            break;
        at += written;
    }
    unsynced[fd].from = unsynced[fd].to = 0;
}

static int sync_fails(int fd)
{
    struct stat found;
    uint32_t operation = SYNC;
    if (concerned(SYNC | SYNC_DIR)) {
        if (fstat(fd, &found) == 0 && S_ISDIR(found.st_mode))
            operation = SYNC_DIR;
        struct rule *rule = struck_fd(operation, fd);
        if (rule) {
            if (operation == SYNC && (rule->flags & LOSE) && fd < FDS)
                lose(fd);
            errno = rule->error;
            return 1;
        }
    }
    if (fd >= 0 && fd < FDS)
        unsynced[fd].from = unsynced[fd].to = 0;
    return 0;
}

int fsync(int fd) { return sync_fails(fd) ? -1 : REAL(fsync)(fd); }
int fdatasync(int fd) { return sync_fails(fd) ? -1 : REAL(fdatasync)(fd); }

/* -- lengths and names ------------------------------------------------------------------------------------ */

static int resize_fails(int fd)
{
    struct rule *rule = concerned(RESIZE) ? struck_fd(RESIZE, fd) : NULL;
    return rule ? (errno = rule->error) : 0;
}

int ftruncate(int fd, off_t size) { return resize_fails(fd) ? -1 : REAL(ftruncate)(fd, size); }
int ftruncate64(int fd, off64_t size) { return resize_fails(fd) ? -1 : REAL(ftruncate64)(fd, size); }

int posix_fallocate64(int fd, off64_t offset, off64_t length)
{
    int error = resize_fails(fd);
    return error ? error : REAL(posix_fallocate64)(fd, offset, length);
}

int rename(const char *source, const char *target)
{
    FAIL_PATH(RENAME, target);
    return REAL(rename)(source, target);
}

int unlink(const char *path)
{
    FAIL_PATH(UNLINK, path);
    return REAL(unlink)(path);
}

int mkdir(const char *path, mode_t mode)
{
    FAIL_PATH(MKDIR, path);
    return REAL(mkdir)(path, mode);
}

static int opened(int fd)
{
    if (fd >= 0 && fd < FDS)
        unsynced[fd].from = unsynced[fd].to = 0;
    return fd;
}

#define OPENING(flags)                                                       \
    mode_t mode = 0;                                                         \
    if ((flags) & (O_CREAT | O_TMPFILE)) {                                   \
        va_list rest;                                                        \
        va_start(rest, flags);                                               \
        mode = va_arg(rest, mode_t);                                         \
        va_end(rest);                                                        \
    }                                                                        \
    FAIL_PATH((flags) & (O_CREAT | O_WRONLY | O_RDWR) ? CREATE : OPEN, path)

int open(const char *path, int flags, ...)
{
    OPENING(flags);
    return opened(REAL(open64)(path, flags, mode));
}

int open64(const char *path, int flags, ...)
{
    OPENING(flags);
    return opened(REAL(open64)(path, flags, mode));
}

int openat(int folder, const char *path, int flags, ...)
{
    OPENING(flags);
    return opened(REAL(openat64)(folder, path, flags, mode));
}

int openat64(int folder, const char *path, int flags, ...)
{
    OPENING(flags);
    return opened(REAL(openat64)(folder, path, flags, mode));
}

int close(int fd)
{
    struct rule *rule = concerned(CLOSE) ? struck_fd(CLOSE, fd) : NULL;
    int result = REAL(close)(fd);
    return rule ? (errno = rule->error, -1) : result;
}

/* -- the date --------------------------------------------------------------------------------------------- */

int clock_gettime(clockid_t clock, struct timespec *now)
{
    int result = REAL(clock_gettime)(clock, now);
    if (result == 0 && control && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
        int64_t shift = __atomic_load_n(&control->clock_ns, __ATOMIC_RELAXED);
        int64_t ns = now->tv_nsec + shift % 1000000000;
        now->tv_sec += shift / 1000000000 + (ns >= 1000000000) - (ns < 0);
        now->tv_nsec = (ns + 1000000000) % 1000000000;
    }
    return result;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
    struct timespec precise;
    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &precise))
        return -1;
    now->tv_sec = precise.tv_sec;
    now->tv_usec = precise.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *told)
{
    struct timespec precise;
    if (clock_gettime(CLOCK_REALTIME, &precise))
        return -1;
    if (told)
        *told = precise.tv_sec;
    return precise.tv_sec;
}
