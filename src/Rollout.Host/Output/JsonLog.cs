using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using Rollout.Gpu.Weights;

namespace Rollout.Host.Output;

/// <summary>
/// A file with one JSON object a line that grows while a command runs: metrics, rollouts, completions. Names are
/// snake_case, and a number that JSON cannot say (NaN, ±∞) is null. A line reaches the file whole, so a process that follows
/// the file reads whole lines.
/// </summary>
internal sealed class JsonLog : IDisposable
{
    private static readonly JsonSerializerOptions Format = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        Converters = { new FiniteNumbers() },
    };

    private readonly Stream _file;

    private JsonLog(Stream file, IReadOnlyList<int>? unreadable = null)
    {
        _file = file;
        Unreadable = unreadable ?? [];
    }

    /// <summary>
    /// Numbers, from 1, of the lines that were left out of a continued file because they could not be read.
    /// </summary>
    public IReadOnlyList<int> Unreadable { get; }

    /// <summary>Starts an empty file.</summary>
    public static JsonLog Create(string path) =>
        new(new FileStream(path, FileMode.Create, FileAccess.Write, FileShare.Read));

    /// <summary>
    /// Writes to a device, such as /dev/null. Standard output is not opened anew: where it is a file, it goes on from
    /// where the program's own output is.
    /// </summary>
    public static JsonLog ToDevice(string path) => new(path == "/dev/stdout"
        ? Console.OpenStandardOutput()
        : new FileStream(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite));

    /// <summary>
    /// Continues a file with those of its lines that can be read and that <paramref name="keep"/> accepts. A last line
    /// without an end is what a killed process was writing, and is dropped. A missing file is started.
    /// </summary>
    /// <param name="path">The file.</param>
    /// <param name="keep">Asked once a line, in order.</param>
    /// <param name="share">What others may do with the file meanwhile.</param>
    public static JsonLog Continue<T>(string path, Func<T, bool> keep, FileShare share = FileShare.Read)
        where T : class
    {
        var kept = new List<(long Start, long End)>();
        var unreadable = new List<int>();
        foreach (var line in Lines<T>(path))
        {
            if (line.Value is null)
                unreadable.Add(line.Number);
            else if (keep(line.Value))
                kept.Add((line.Start, line.End));
        }

        var length = kept.Sum(line => line.End - line.Start);
        if (length > 0 && kept[^1].End != length) // not the file's first lines
            DurableFiles.Write(path, file => CopyLines(path, kept, file));
        var file = new FileStream(path, FileMode.OpenOrCreate, FileAccess.Write, share);
        file.SetLength(length);
        file.Seek(0, SeekOrigin.End);
        return new JsonLog(file, unreadable);
    }

    /// <summary>The lines of a file that can be read; none where there is no file.</summary>
    public static IEnumerable<T> Read<T>(string path)
        where T : class =>
        Lines<T>(path).Where(line => line.Value is not null).Select(line => line.Value!);

    public void Write<T>(T value)
    {
        byte[] line = [.. JsonSerializer.SerializeToUtf8Bytes(value, Format), (byte)'\n'];
        _file.Write(line);
        _file.Flush();
    }

    public void Dispose() => _file.Dispose();

    private static void CopyLines(string path, List<(long Start, long End)> lines, FileStream target)
    {
        using var source = File.OpenHandle(path);
        foreach (var (start, end) in lines)
        {
            var bytes = new byte[end - start];
            RandomAccess.Read(source, bytes, start);
            target.Write(bytes);
        }
    }

    /// <summary>Each line that ends, with its place in bytes; a line that cannot be read has no value.</summary>
    private static IEnumerable<(int Number, T? Value, long Start, long End)> Lines<T>(string path)
        where T : class
    {
        if (!File.Exists(path))
            yield break;
        using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        using var reader = new BufferedStream(file, 1 << 16);
        var line = new List<byte>();
        var (number, start, end) = (0, 0L, 0L);
        for (var next = reader.ReadByte(); next >= 0; next = reader.ReadByte())
        {
            end++;
            if (next != '\n')
            {
                line.Add((byte)next);
                continue;
            }

            yield return (++number, Parse<T>(line), start, end);
            start = end;
            line.Clear();
        }
    }

    private static T? Parse<T>(List<byte> line)
        where T : class
    {
        try
        {
            return JsonSerializer.Deserialize<T>(line.ToArray(), Format);
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private sealed class FiniteNumbers : JsonConverter<double>
    {
        public override bool HandleNull => true;

        public override double Read(ref Utf8JsonReader reader, Type type, JsonSerializerOptions options) =>
            reader.TokenType == JsonTokenType.Null ? double.NaN : reader.GetDouble();

        public override void Write(Utf8JsonWriter writer, double value, JsonSerializerOptions options)
        {
            if (double.IsFinite(value))
                writer.WriteNumberValue(value);
            else
                writer.WriteNullValue();
        }
    }
}
