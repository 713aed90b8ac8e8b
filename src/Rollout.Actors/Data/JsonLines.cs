using System.Text.Json;
using System.Text.Unicode;
using Microsoft.Win32.SafeHandles;
using Rollout.Actors.Text;

namespace Rollout.Actors.Data;

/// <summary>
/// A file with one JSON object a line. Only the places of the lines are held in memory; a line is read when it is asked
/// for. Blank lines are skipped. Reading is safe for concurrent use.
/// </summary>
internal sealed class JsonLines : IDisposable
{
    /// <summary>A line is read whole; nothing that a model can take as a prompt is longer.</summary>
    private const int MaxLineBytes = 16 << 20;

    private static readonly byte[] ByteOrderMark = [0xEF, 0xBB, 0xBF];

    private readonly SafeFileHandle _file;
    // Offset and length in bytes, and the line's number from 1.
    private readonly List<(long Offset, int Length, int Number)> _lines = [];

    /// <exception cref="InvalidDataException">The file is missing or has no line, or a line is too long.</exception>
    public JsonLines(string path, CancellationToken cancellation)
    {
        Path = path;
        if (!File.Exists(path))
            throw new InvalidDataException($"{path}: no such file");
        _file = File.OpenHandle(path);
        try
        {
            Index(cancellation);
            if (_lines.Count == 0)
                throw new InvalidDataException($"{path}: holds no line");
        }
        catch
        {
            _file.Dispose();
            throw;
        }
    }

    public string Path { get; }

    public int Count => _lines.Count;

    /// <summary>The line's number in the file, from 1.</summary>
    public int NumberOf(int index) => _lines[index].Number;

    /// <exception cref="InvalidDataException">The line is no JSON object: <c>FILE:LINE: …</c>.</exception>
    public JsonDocument Read(int index)
    {
        var (offset, length, _) = _lines[index];
        var bytes = new byte[length];
        for (var read = 0; read < length;)
        {
            var count = RandomAccess.Read(_file, bytes.AsSpan(read), offset + read);
            if (count == 0)
                throw Invalid(index, "is gone; the file was cut while it was in use");
            read += count;
        }
        if (!Utf8.IsValid(bytes))
            throw Invalid(index, "not valid UTF-8");
        try
        {
            var document = JsonDocument.Parse(bytes);
            var wrong = document.RootElement.ValueKind != JsonValueKind.Object ? "holds no JSON object"
                : JsonTexts.LoneSurrogate(bytes) is not null ? JsonTexts.HalfPair
                : null;
            if (wrong is null)
                return document;
            document.Dispose();
            throw Invalid(index, wrong);
        }
        catch (JsonException wrong)
        {
            throw Invalid(index, $"not valid JSON at byte {wrong.BytePositionInLine + 1} of the line");
        }
    }

    /// <summary>An error that says file and line.</summary>
    public InvalidDataException Invalid(int index, string what) => new($"{Path}:{NumberOf(index)}: {what}");

    public void Dispose() => _file.Dispose();

    private void Index(CancellationToken cancellation)
    {
        var buffer = new byte[1 << 16];
        var (position, lineStart, number, blank) = (0L, 0L, 1, true);
        for (int count; (count = RandomAccess.Read(_file, buffer, position)) > 0; position += count)
        {
            cancellation.ThrowIfCancellationRequested();
            var chunk = buffer.AsSpan(0, count);
            var at = position == 0 && chunk.StartsWith(ByteOrderMark) ? ByteOrderMark.Length : 0;
            lineStart += at;
            while (at < count)
            {
                var length = chunk[at..].IndexOf((byte)'\n');
                var part = length < 0 ? chunk[at..] : chunk.Slice(at, length);
                blank &= part.IndexOfAnyExcept(" \t\r"u8) < 0;
                at += part.Length + 1;
                if (length < 0)
                    break;
                Add(lineStart, position + at - 1, number++, blank);
                lineStart = position + at;
                blank = true;
            }
        }
        Add(lineStart, position, number, blank);
    }

    private void Add(long start, long end, int number, bool blank)
    {
        if (end - start > MaxLineBytes)
            throw new InvalidDataException($"{Path}:{number}: is longer than {MaxLineBytes} bytes");
        if (!blank)
            _lines.Add((start, (int)(end - start), number));
    }
}
