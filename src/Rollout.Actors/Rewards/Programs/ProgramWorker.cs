using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text;

namespace Rollout.Actors.Rewards.Programs;

/// <summary>
/// A running program that answers each line of its standard input with one line of its standard output. Lines have a
/// bounded length, and standard error is read and forgotten but for its end, which explains failures.
/// </summary>
internal sealed class ProgramWorker : IDisposable
{
    /// <summary>The longest answer in bytes.</summary>
    public const int LongestAnswer = 1 << 20;

    private const int KeptError = 2000;
    private const int Sigkill = 9;

    private static readonly TimeSpan LastWords = TimeSpan.FromSeconds(1);

    private readonly Process _process;
    private readonly StringBuilder _error = new();
    private readonly Task _readingError;
    private readonly byte[] _buffer = new byte[8192];
    private readonly int _id;
    private bool _isKilled;

    private ProgramWorker(Process process)
    {
        _process = process;
        _id = process.Id;
        _readingError = ReadErrorAsync();
    }

    /// <summary>Starts a program in a session of its own, so that it can be killed with all its processes.</summary>
    /// <param name="command">The program's path and its arguments.</param>
    /// <param name="folder">Its current folder.</param>
    /// <exception cref="System.ComponentModel.Win32Exception">It can't be started.</exception>
    public static ProgramWorker Start(IReadOnlyList<string> command, string folder) => new(StarterThread.Start(
        new ProcessStartInfo("setsid", command)
        {
            WorkingDirectory = folder,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        }));

    /// <summary>Sends a line and reads the answer.</summary>
    /// <param name="line">One line without its end.</param>
    /// <param name="cancellation">Kills the program, with its processes.</param>
    /// <exception cref="InvalidDataException">The program ended, or its answer is too long.</exception>
    public async Task<ReadOnlyMemory<byte>> AskAsync(ReadOnlyMemory<byte> line, CancellationToken cancellation)
    {
        // A pipe's reads and writes can't be cancelled, but they end with the program.
        using var kill = cancellation.Register(Kill);
        try
        {
            var input = _process.StandardInput.BaseStream;
            await input.WriteAsync(line, CancellationToken.None).ConfigureAwait(false);
            await input.WriteAsync("\n"u8.ToArray(), CancellationToken.None).ConfigureAwait(false);
            await input.FlushAsync(CancellationToken.None).ConfigureAwait(false);
            return await ReadLineAsync().ConfigureAwait(false);
        }
        catch (IOException)
        {
            cancellation.ThrowIfCancellationRequested();
            throw await EndedAsync().ConfigureAwait(false);
        }
        catch (InvalidDataException) when (cancellation.IsCancellationRequested)
        {
            throw new OperationCanceledException(cancellation);
        }
    }

    public void Dispose()
    {
        Kill();
        _process.Dispose();
    }

    private async Task<ReadOnlyMemory<byte>> ReadLineAsync()
    {
        using var answer = new MemoryStream();
        while (true)
        {
            var read = await _process.StandardOutput.BaseStream.ReadAsync(_buffer, CancellationToken.None).ConfigureAwait(false);
            if (read == 0)
                throw await EndedAsync().ConfigureAwait(false);
            var end = Array.IndexOf(_buffer, (byte)'\n', 0, read);
            answer.Write(_buffer, 0, end < 0 ? read : end);
            if (answer.Length > LongestAnswer)
                throw new InvalidDataException($"the program answered with more than {LongestAnswer} bytes");
            if (end >= 0)
            {
                return end == read - 1
                    ? answer.ToArray()
                    : throw new InvalidDataException("the program answered with more than one line");
            }
        }
    }

    private async Task<InvalidDataException> EndedAsync()
    {
        var exit = _process.WaitForExitAsync();
        await Task.WhenAny(exit, Task.Delay(LastWords)).ConfigureAwait(false);
        Kill();
        await exit.ConfigureAwait(false);
        // A process that left the group may hold the pipe open.
        await Task.WhenAny(_readingError, Task.Delay(LastWords)).ConfigureAwait(false);
        string error;
        lock (_error)
            error = _error.ToString();
        var last = error.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries).LastOrDefault();
        return new InvalidDataException(
            $"the program ended with code {_process.ExitCode} before it answered{(last is null ? "" : $": {last}")}");
    }

    private async Task ReadErrorAsync()
    {
        var buffer = new char[1024];
        try
        {
            while (await _process.StandardError.ReadAsync(buffer).ConfigureAwait(false) is > 0 and var read)
            {
                lock (_error)
                {
                    _error.Append(buffer, 0, read);
                    if (_error.Length > 2 * KeptError)
                        _error.Remove(0, _error.Length - KeptError);
                }
            }
        }
        catch (Exception closed) when (closed is IOException or ObjectDisposedException)
        {
            // The worker was disposed of.
        }
    }

    private void Kill()
    {
        if (Interlocked.Exchange(ref _isKilled, true))
            return;
        // setsid made the program the leader of a group that has its number, which may outlive it.
        _ = KillGroup(-_id, Sigkill);
        try
        {
            _process.Kill(entireProcessTree: true);
        }
        catch (InvalidOperationException)
        {
            // It has ended.
        }
    }

    [DllImport("libc", EntryPoint = "kill")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int KillGroup(int group, int signal);
}
