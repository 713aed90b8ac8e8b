#pragma warning disable IDE0005 // MSBuild compiles this file too, without implicit usings.
using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Text;

namespace Rollout.Build;

/// <summary>
/// Makes one required symbol version of an ELF library optional. TorchSharp's native library asks for
/// GLIBCXX_3.4.32 (GCC 13) only for std::ios_base_library_init, which it references and never calls; on
/// Debian 12, Ubuntu 22.04 and RHEL 9 the loader refuses the whole library for it. With VER_FLG_WEAK set in
/// that one entry of .gnu.version_r, the loader goes on (glibc, elf/dl-version.c).
/// </summary>
public static class SymbolVersionRepair
{
    /// <summary>The version that TorchSharp 0.107.0 needs and older systems lack.</summary>
    public const string Version = "GLIBCXX_3.4.32";

    private const uint VersionNeeds = 0x6ffffffe; // SHT_GNU_verneed
    private const byte WeakFlag = 0x2;            // VER_FLG_WEAK

    /// <summary>
    /// Where an ELF file's requirement of <paramref name="version"/> keeps its flags: the offset of vna_flags (2
    /// bytes, little endian), or nothing where the file is no 64-bit ELF file or has no such requirement.
    /// </summary>
    public static int? FlagOffset(byte[] elf, string version)
    {
        if (!IsElf64LittleEndian(elf))
            return null;
        var sections = (long)BitConverter.ToUInt64(elf, 0x28); // e_shoff
        var sectionSize = BitConverter.ToUInt16(elf, 0x3a);    // e_shentsize
        var sectionCount = BitConverter.ToUInt16(elf, 0x3c);   // e_shnum
        for (var i = 0; i < sectionCount; i++)
        {
            var section = (int)(sections + (i * sectionSize));
            if (BitConverter.ToUInt32(elf, section + 4) != VersionNeeds) // sh_type
                continue;
            var link = BitConverter.ToInt32(elf, section + 40); // sh_link: the names
            var names = SectionOffset(elf, (int)(sections + (link * sectionSize)));
            return FlagOffset(elf, SectionOffset(elf, section), names, version);
        }

        return null;
    }

    /// <summary>
    /// Repairs the file by putting a changed copy in its place: the file itself may be a hard link into the
    /// package cache. Keeps the time of modification, so that a build does not copy the original again.
    /// Returns false, having touched nothing, where there is nothing to repair.
    /// </summary>
    public static bool Repair(string path)
    {
        var elf = File.ReadAllBytes(path);
        if (!(FlagOffset(elf, Version) is int flags) || (elf[flags] & WeakFlag) != 0)
            return false;

        var copy = path + "." + Guid.NewGuid().ToString("N");
        try
        {
            File.Copy(path, copy); // with its permissions
            using (var stream = new FileStream(copy, FileMode.Open, FileAccess.Write))
            {
                stream.Position = flags;
                stream.WriteByte((byte)(elf[flags] | WeakFlag));
            }

            File.SetLastWriteTimeUtc(copy, File.GetLastWriteTimeUtc(path));
            File.Replace(copy, path, null); // one rename
        }
        finally
        {
            File.Delete(copy);
        }

        return true;
    }

    /// <summary>Whether any C++ runtime that the loader might take for this library lacks the version.</summary>
    public static bool IsNeededHere(string path)
    {
        var machine = Machine(File.ReadAllBytes(path));
        return RuntimeFolders()
            .Select(folder => Path.Combine(folder, "libstdc++.so.6"))
            .Where(File.Exists)
            .Select(File.ReadAllBytes)
            .Any(runtime => Machine(runtime) == machine && !Defines(runtime, Version));
    }

    private static int? FlagOffset(byte[] elf, int need, int names, string version)
    {
        while (true)
        {
            var count = BitConverter.ToUInt16(elf, need + 2);       // vn_cnt
            var entry = need + BitConverter.ToInt32(elf, need + 8); // vn_aux
            for (var i = 0; i < count; i++)
            {
                if (NameAt(elf, names + BitConverter.ToInt32(elf, entry + 8)) == version) // vna_name
                    return entry + 4;                                                      // vna_flags
                entry += BitConverter.ToInt32(elf, entry + 12);                            // vna_next
            }

            var next = BitConverter.ToInt32(elf, need + 12); // vn_next
            if (next == 0)
                return null;
            need += next;
        }
    }

    private static bool IsElf64LittleEndian(byte[] file) =>
        file.Length > 64 && file[0] == 0x7f && file[1] == 'E' && file[2] == 'L' && file[3] == 'F'
        && file[4] == 2 && file[5] == 1;

    private static int Machine(byte[] elf) => IsElf64LittleEndian(elf) ? BitConverter.ToUInt16(elf, 0x12) : -1;

    private static int SectionOffset(byte[] elf, int section) => (int)BitConverter.ToUInt64(elf, section + 24);

    private static string NameAt(byte[] elf, int offset) =>
        Encoding.ASCII.GetString(elf, offset, Array.IndexOf(elf, (byte)0, offset) - offset);

    private static bool Defines(byte[] runtime, string version) =>
        // Latin-1 keeps every byte, so a search for text is a search for bytes.
        Encoding.GetEncoding(28591).GetString(runtime).Contains('\0' + version + '\0');

    private static IEnumerable<string> RuntimeFolders()
    {
        var named = (Environment.GetEnvironmentVariable("LD_LIBRARY_PATH") ?? "").Split(':');
        return named.Concat(ConfiguredFolders("/etc/ld.so.conf")).Concat(new[]
        {
            "/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu",
            "/lib/aarch64-linux-gnu", "/usr/lib/aarch64-linux-gnu",
            "/lib64", "/usr/lib64", "/lib", "/usr/lib",
        }).Where(folder => folder.Length > 0 && folder[0] == '/').Distinct();
    }

    /// <summary>The folders of an ld.so.conf, and of the files that it includes from a folder by pattern.</summary>
    private static IEnumerable<string> ConfiguredFolders(string file)
    {
        if (!File.Exists(file))
            yield break;
        foreach (var line in File.ReadLines(file).Select(line => line.Split('#')[0].Trim()))
        {
            if (!line.StartsWith("include", StringComparison.Ordinal))
            {
                yield return line;
                continue;
            }

            var pattern = line.Substring("include".Length).Trim();
            var folder = Path.GetDirectoryName(Path.Combine("/etc", pattern)) ?? "/";
            if (!Directory.Exists(folder))
                continue;
            foreach (var included in Directory.EnumerateFiles(folder, Path.GetFileName(pattern)))
            {
                foreach (var configured in File.ReadLines(included))
                    yield return configured.Split('#')[0].Trim();
            }
        }
    }
}

#if !ROLLOUT_TESTS
/// <summary>The build's step: repairs the given copies where this machine needs it, or always.</summary>
public sealed class RepairTorchSharp : Microsoft.Build.Utilities.Task
{
    [Microsoft.Build.Framework.Required]
    public string[] Libraries { get; set; }

    /// <summary>Repair without looking at this machine's C++ runtime.</summary>
    public bool Always { get; set; }

    public override bool Execute()
    {
        foreach (var library in Libraries)
        {
            if ((Always || SymbolVersionRepair.IsNeededHere(library)) && SymbolVersionRepair.Repair(library))
                Log.LogMessage("{0}: {1} is optional now.", library, SymbolVersionRepair.Version);
        }

        return true;
    }
}
#endif
