using System.Runtime.InteropServices;
using System.Text;
using Rollout.Gpu.Contracts;

namespace Rollout.Gpu.Interop;

/// <summary>Compiles CUDA C++ for one architecture at run time.</summary>
internal sealed unsafe class Nvrtc
{
    private const int InvalidOption = 5; // NVRTC_ERROR_INVALID_OPTION
    private const string ArchitectureOption = "--gpu-architecture";

    private readonly delegate* unmanaged<nint*, byte*, byte*, int, byte**, byte**, int> _create;
    private readonly delegate* unmanaged<nint, int, byte**, int> _compile;
    private readonly delegate* unmanaged<nint*, int> _destroy;
    private readonly delegate* unmanaged<nint, nuint*, int> _logSize;
    private readonly delegate* unmanaged<nint, byte*, int> _log;
    private readonly delegate* unmanaged<nint, nuint*, int> _cubinSize;
    private readonly delegate* unmanaged<nint, byte*, int> _cubin;

    private Nvrtc(nint library)
    {
        nint Export(string name) => NativeLibrary.GetExport(library, name);
        _create = (delegate* unmanaged<nint*, byte*, byte*, int, byte**, byte**, int>)Export("nvrtcCreateProgram");
        _compile = (delegate* unmanaged<nint, int, byte**, int>)Export("nvrtcCompileProgram");
        _destroy = (delegate* unmanaged<nint*, int>)Export("nvrtcDestroyProgram");
        _logSize = (delegate* unmanaged<nint, nuint*, int>)Export("nvrtcGetProgramLogSize");
        _log = (delegate* unmanaged<nint, byte*, int>)Export("nvrtcGetProgramLog");
        _cubinSize = (delegate* unmanaged<nint, nuint*, int>)Export("nvrtcGetCUBINSize");
        _cubin = (delegate* unmanaged<nint, byte*, int>)Export("nvrtcGetCUBIN");

        var version = (delegate* unmanaged<int*, int*, int>)Export("nvrtcVersion");
        int major, minor;
        _ = version(&major, &minor);
        Version = new Version(major, minor);
    }

    /// <summary>The version of its CUDA release.</summary>
    public Version Version { get; }

    /// <summary>Finds and loads NVRTC.</summary>
    /// <param name="torchFolder">The folder of libtorch, one of the places to look in.</param>
    /// <exception cref="LibTorchException">NVRTC is missing, or lacks a function.</exception>
    public static Nvrtc Load(string? torchFolder)
    {
        try
        {
            return new Nvrtc(NvrtcLibrary.Load(torchFolder));
        }
        catch (EntryPointNotFoundException cause)
        {
            throw new LibTorchException("The NVRTC library found here is too old: install version 12 or 13.", cause);
        }
    }

    /// <summary>Compiles source to machine code.</summary>
    /// <param name="name">The source's name in errors.</param>
    /// <param name="source">CUDA C++.</param>
    /// <param name="headers">The headers that the source includes, by name.</param>
    /// <param name="architecture">The architecture, such as sm_90a.</param>
    /// <param name="options">All other options.</param>
    /// <exception cref="LibTorchException">This NVRTC does not know the architecture.</exception>
    /// <exception cref="KernelCompileException">
    /// The source does not compile. The message has the compiler's log.
    /// </exception>
    public byte[] Compile(
        string name, string source, IReadOnlyDictionary<string, string> headers, string architecture,
        IReadOnlyList<string> options)
    {
        using var strings = new NativeStrings();
        var headerTexts = strings.Array(headers.Values);
        var headerNames = strings.Array(headers.Keys);
        nint program;
        var created = _create(
            &program, strings.Add(source), strings.Add(name), headers.Count, headerTexts, headerNames);
        if (created != 0)
            throw new KernelCompileException(name, $"NVRTC cannot take it, error {created}");
        try
        {
            string[] all = [$"{ArchitectureOption}={architecture}", .. options];
            var result = _compile(program, all.Length, strings.Array(all));
            if (result == InvalidOption && Log(program).Contains(ArchitectureOption, StringComparison.Ordinal))
            {
                throw new LibTorchException(
                    $"NVRTC {Version} does not know {architecture}: install a newer one (pip's nvidia-cuda-nvrtc, or the "
                    + $"CUDA toolkit), or set {NvrtcLibrary.Variable} to its file.");
            }

            if (result != 0)
                throw new KernelCompileException(name, $"NVRTC error {result}\n{Log(program)}");
            nuint size;
            _ = _cubinSize(program, &size);
            var cubin = new byte[size];
            fixed (byte* to = cubin)
                _ = _cubin(program, to);
            return cubin;
        }
        finally
        {
            _ = _destroy(&program);
        }
    }

    private string Log(nint program)
    {
        nuint size;
        _ = _logSize(program, &size);
        var text = new byte[size];
        fixed (byte* to = text)
            _ = _log(program, to);
        return Encoding.UTF8.GetString(text).TrimEnd('\0', '\n');
    }

    private sealed class NativeStrings : IDisposable
    {
        private readonly List<nint> _owned = [];

        public byte* Add(string text)
        {
            _owned.Add(Marshal.StringToCoTaskMemUTF8(text));
            return (byte*)_owned[^1];
        }

        public byte** Array(IEnumerable<string> texts)
        {
            string[] all = [.. texts];
            var array = Marshal.AllocCoTaskMem(Math.Max(1, all.Length) * sizeof(nint));
            _owned.Add(array);
            for (var i = 0; i < all.Length; i++)
                ((byte**)array)[i] = Add(all[i]);
            return (byte**)array;
        }

        public void Dispose() => _owned.ForEach(Marshal.FreeCoTaskMem);
    }
}

/// <summary>A kernel's source does not compile. The mistake is in this project, not its user's.</summary>
internal sealed class KernelCompileException(string source, string log)
    : DeviceException($"The kernel source {source} does not compile: {log}");
