using System.Buffers;
using System.Text.Json;
using System.Text.Unicode;

namespace Rollout.Host.Input;

/// <summary>
/// Reads a file with a JSON object a line, one line at a time and none beyond <see cref="MostBytes"/>. Blank lines are
/// counted and skipped.
/// </summary>
internal static class JsonObjectLines
{
    /// <summary>The longest line: room for a million token ids with several digits each.</summary>
    public const int MostBytes = 16 << 20;

    /// <summary>The path that stands for standard input.</summary>
    private const string StandardInput = "-";

    private static readonly JsonDocumentOptions Strict = new() { AllowDuplicateProperties = false };

    /// <summary>Converts every line's object.</summary>
    /// <param name="path">The file; "-" is standard input.</param>
    /// <param name="expected">What the file should hold, for messages.</param>
    /// <param name="convert">Makes a value of an object and its line's number, from 1. May throw InvalidDataException.</param>
    /// <param name="cancellation">Ends the reading between two lines.</param>
    /// <exception cref="InvalidDataException">A line can't be used. The message is FILE:LINE and a sentence.</exception>
    public static IEnumerable<T> Read<T>(
        string path, string expected, Func<JsonElement, int, T> convert, CancellationToken cancellation)
    {
        using var file = Open(path, expected);
        var line = new ArrayBufferWriter<byte>();
        for (var number = 1; ReadLine(file, line, isFirst: number == 1, $"{path}:{number}"); number++)
        {
            cancellation.ThrowIfCancellationRequested();
            if (line.WrittenSpan.IndexOfAnyExcept(" \t\r"u8) >= 0)
                yield return Convert(line.WrittenMemory, $"{path}:{number}", number, convert);
        }
    }

    private static Stream Open(string path, string expected)
    {
        const int buffer = 1 << 16;
        if (path == StandardInput)
            return new BufferedStream(Console.OpenStandardInput(), buffer);
        return File.Exists(path)
            ? new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite, buffer)
            : throw new InvalidDataException($"{path}: there is no such file; expected {expected}");
    }

    /// <summary>Reads up to the next line break. Returns whether there was anything to read.</summary>
    private static bool ReadLine(Stream file, ArrayBufferWriter<byte> line, bool isFirst, string where)
    {
        line.ResetWrittenCount();
        var next = file.ReadByte();
        if (next < 0)
            return false;
        for (; next is >= 0 and not '\n'; next = file.ReadByte())
        {
            if (line.WrittenCount == MostBytes)
                throw new InvalidDataException($"{where}: the line is longer than {MostBytes} bytes");
            line.GetSpan(1)[0] = (byte)next;
            line.Advance(1);
            if (isFirst && line.WrittenCount == 3 && line.WrittenSpan.SequenceEqual("\uFEFF"u8))
                line.ResetWrittenCount(); // a byte order mark
        }
        return true;
    }

    private static T Convert<T>(ReadOnlyMemory<byte> line, string where, int number, Func<JsonElement, int, T> convert)
    {
        try
        {
            return convert(Parse(line), number);
        }
        catch (InvalidDataException wrong)
        {
            throw new InvalidDataException($"{where}: {wrong.Message}", wrong);
        }
        // A text or a key is decoded when it is first looked at.
        catch (InvalidOperationException wrong) when (wrong.Source?.StartsWith("System.Text.Json", StringComparison.Ordinal) == true)
        {
            throw new InvalidDataException(
                $"{where}: escapes one half of a surrogate pair (\\uD800 to \\uDFFF) without the other", wrong);
        }
    }

    private static JsonElement Parse(ReadOnlyMemory<byte> line)
    {
        if (!Utf8.IsValid(line.Span))
            throw new InvalidDataException("not valid UTF-8");
        try
        {
            using var document = JsonDocument.Parse(line, Strict);
            return document.RootElement.ValueKind == JsonValueKind.Object
                ? document.RootElement.Clone()
                : throw new InvalidDataException("holds no JSON object");
        }
        catch (JsonException wrong)
        {
            throw new InvalidDataException(
                wrong.BytePositionInLine is { } at ? $"not valid JSON at byte {at + 1} of the line" : "not valid JSON",
                wrong);
        }
    }
}
