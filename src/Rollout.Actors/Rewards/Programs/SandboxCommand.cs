using System.Globalization;

namespace Rollout.Actors.Rewards.Programs;

/// <summary>
/// The command line of a program in a sandbox of bubblewrap: namespaces of its own, the system's programs and libraries
/// read-only, no place to write, an empty environment. <c>prlimit</c> sets its limits inside. Where this process is root,
/// <c>setpriv</c> makes the program nobody first, as root has no limit of processes.
/// </summary>
internal static class SandboxCommand
{
    private const string Nobody = "65534";

    private static readonly string[] System = ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/etc/alternatives",
        "/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/localtime"];

    private static readonly string[] ForNetwork = ["/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/ssl", "/etc/pki"];

    /// <param name="bubblewrap">The path of bwrap.</param>
    /// <param name="program">The program and its arguments, as paths within the sandbox.</param>
    /// <param name="limits">What it may use.</param>
    /// <param name="folder">Its current folder.</param>
    /// <param name="isRoot">This process runs as root.</param>
    public static string[] Build(
        string bubblewrap, IReadOnlyList<string> program, SandboxLimits limits, string folder, bool isRoot)
    {
        List<string> command = [bubblewrap, "--unshare-ipc", "--unshare-pid", "--unshare-uts", "--unshare-cgroup-try"];
        if (!isRoot)
            command.Add("--unshare-user");
        if (!limits.Network)
            command.Add("--unshare-net");
        command.AddRange(["--die-with-parent", "--new-session", "--clearenv"]);
        command.AddRange(["--setenv", "PATH", "/usr/local/bin:/usr/bin:/bin", "--setenv", "HOME", "/"]);
        command.AddRange(["--setenv", "LANG", "C.UTF-8", "--setenv", "PYTHONDONTWRITEBYTECODE", "1"]);
        command.AddRange(["--setenv", "OPENBLAS_NUM_THREADS", "1", "--setenv", "OMP_NUM_THREADS", "1"]);
        string[] system = limits.Network ? [.. System, .. ForNetwork] : System;
        foreach (var above in system.Concat(limits.ReadOnly).SelectMany(FoldersAbove).Distinct().Order(StringComparer.Ordinal))
            command.AddRange(["--perms", "0755", "--dir", above]);
        foreach (var path in system)
            command.AddRange(["--ro-bind-try", path, path]);
        command.AddRange(["--proc", "/proc", "--dev", "/dev", "--remount-ro", "/dev"]);
        foreach (var path in limits.ReadOnly)
            command.AddRange(["--ro-bind", path, path]);
        command.AddRange(["--remount-ro", "/", "--chdir", folder, "--"]);
        if (isRoot)
        {
            command.AddRange(["setpriv", $"--reuid={Nobody}", $"--regid={Nobody}", "--clear-groups", "--inh-caps=-all"]);
            command.AddRange(["--bounding-set=-all", "--no-new-privs", "--"]);
        }
        command.AddRange(["prlimit", Limit("as", limits.Memory), Limit("nproc", limits.Processes), Limit("core", 0)]);
        command.AddRange([Limit("fsize", 0), Limit("nofile", 256), "--"]);
        return [.. command, .. program];
    }

    /// <summary>bwrap would make them for root alone.</summary>
    private static IEnumerable<string> FoldersAbove(string path)
    {
        for (var above = Path.GetDirectoryName(path); above is { Length: > 1 }; above = Path.GetDirectoryName(above))
            yield return above;
    }

    private static string Limit(string resource, long value) =>
        $"--{resource}={value.ToString(CultureInfo.InvariantCulture)}";
}
